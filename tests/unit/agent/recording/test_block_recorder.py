"""Blocks of a machine on which processes end, are born between samples, or are too many to tell."""

import numpy as np

from tests.support.record import BOOTED, SECOND, WALL, Machine
from tukur.agent.clock import Instant
from tukur.blocks import decode_host, decode_table, decode_totals
from tukur.protocol.messages import Block, Ended, Image
from tukur.records import ENDED, Losses
from tukur.sources.oom import Kill

QUARTER = SECOND // 4


def ends(block: Block) -> dict[int, Ended]:
    assert len({(entry.pid, entry.start_ns) for entry in block.ended}) == len(block.ended), "told twice"
    return {entry.pid: entry for entry in block.ended}


def images(block: Block) -> dict[int, Image]:
    return {image.pid: image for image in block.images}


def test_an_end_that_the_kernel_told_is_exact() -> None:
    machine = Machine()
    machine.start(10, "worker")
    machine.sample()
    machine.work(10, cpu_s=0.25)
    machine.exit(10, status=3 << 8, cpu_ns=5_000_000, read_bytes=4096)
    block = machine.block(1)
    told = ends(block)[10]
    assert (told.exact, told.exit_code, told.exit_signal) == (True, 3, None)
    assert (told.cpu_ns, told.read_bytes) == (255_000_000, 4096)
    assert (told.last_ns, told.last_wall_ns) == (BOOTED + 3 * QUARTER, WALL + 3 * QUARTER)


def test_an_end_is_told_in_the_block_that_it_is_in_and_not_again_in_the_next() -> None:
    machine = Machine()
    machine.start(1, "init")
    machine.start(10, "worker")
    machine.sample()
    machine.exit(10)
    assert set(ends(machine.block(1))) == {10}
    assert ends(machine.block(3)) == {}


def test_a_signal_is_told_as_such() -> None:
    machine = Machine()
    machine.start(10, "worker")
    machine.sample()
    machine.exit(10, status=139)
    told = ends(machine.block(1))[10]
    assert (told.exit_code, told.exit_signal) == (None, 11)


def test_an_end_that_nobody_told_is_that_of_the_last_sample() -> None:
    machine = Machine()
    machine.start(10, "worker")
    machine.sample()
    machine.end(10)
    told = ends(machine.block(1))[10]
    assert (told.exact, told.exit_code, told.exit_signal) == (False, None, None)
    assert told.last_ns == BOOTED


def test_a_life_between_two_samples_has_all_that_others_have() -> None:
    machine = Machine()
    machine.start(1, "init")
    machine.sample()
    start = machine.flash(77, "cc1", "cc1", "--token=hunter2", "a.c", status=256, cpu_s=0.3, write_bytes=10)
    block = machine.block(1)
    assert (images(block)[77].name, images(block)[77].start_ns) == ("cc1", start)
    assert images(block)[77].since_ns == start
    assert images(block)[77].since_wall_ns < ends(block)[77].last_wall_ns
    assert "a.c" in images(block)[77].cmdline
    assert "hunter2" not in images(block)[77].cmdline
    assert (ends(block)[77].exit_code, ends(block)[77].cpu_ns) == (1, 300_000_000)
    (minute,) = [row for row in block.process_minutes if row.pid == 77]
    assert (minute.cpu_ns, minute.write_bytes) == (300_000_000, 10)


def test_its_row_stands_in_one_sample_with_its_share_of_that_second() -> None:
    machine = Machine()
    machine.start(1, "init")
    machine.sample()
    machine.flash(77, "cc1", cpu_s=0.3)
    sampled = machine.sample()
    row = sampled.rows[sampled.rows["pid"] == 77][0]
    assert (round(float(row["cpu"]), 3), int(row["flags"])) == (0.3, ENDED)
    machine.sample()
    block = machine.block()
    tables = [decode_table(block.tasks, WALL + second * SECOND).tasks["pid"].tolist() for second in range(3)]
    assert tables == [[1], [1, 77], [1]]


def test_the_ended_are_no_processes_of_the_host() -> None:
    machine = Machine()
    machine.start(1, "init")
    machine.sample()
    machine.flash(77, "cc1")
    machine.sample()
    assert [point.rates.processes for point in decode_host(machine.block().host)] == [1, 1]


def test_totals_of_a_range_have_the_ended_with_all_their_time() -> None:
    machine = Machine()
    machine.start(1, "init")
    machine.start(10, "worker")
    machine.sample()
    machine.flash(77, "cc1", cpu_s=0.3)
    machine.exit(10, cpu_ns=7)
    block = machine.block(2)
    totals = decode_totals(block.tasks, WALL, WALL + 10 * SECOND)
    found = {int(row["pid"]): (int(row["cpu_ns"]), bool(row["ended"])) for row in totals}
    assert found == {1: (0, False), 10: (7, True), 77: (300_000_000, True)}
    last = decode_totals(machine_block_ending_now().tasks, WALL, WALL + 10 * SECOND)
    assert last["ended"].tolist() == [False, True], "also where it ended with the last sample of the range"


def test_a_life_whose_account_was_open_at_a_sample_loses_none_of_its_time() -> None:
    machine = Machine()
    machine.start(1, "init")
    machine.start(10, "worker")
    machine.sample()
    machine.exit(10, cpu_ns=40_000_000, open_account=True)
    block = machine.block(3)
    (end,) = block.ended
    totals = decode_totals(block.tasks, WALL, WALL + 10 * SECOND)
    assert {int(row["pid"]): int(row["cpu_ns"]) for row in totals} == {1: 0, 10: 40_000_000}
    assert [(row.pid, row.cpu_ns) for row in block.process_minutes] == [(10, 40_000_000)]
    assert (end.pid, end.cpu_ns, end.exact) == (10, 40_000_000, True)


def test_a_wall_clock_that_is_set_ends_the_block_there() -> None:
    machine = Machine()
    machine.start(1, "init")
    machine.sample()
    recorder = machine.recorder
    assert not recorder.clock_stepped(Instant(machine.wall_ns, machine.boot_ns))
    assert not recorder.clock_stepped(Instant(machine.wall_ns + 90_000_000, machine.boot_ns)), "a late sample"
    for step in (-300 * SECOND, SECOND):
        assert recorder.clock_stepped(Instant(machine.wall_ns + step, machine.boot_ns))
    machine.block()
    assert not recorder.clock_stepped(Instant(machine.wall_ns + SECOND, machine.boot_ns)), (
        "there is none to end"
    )


def test_a_block_ends_before_a_gap_and_not_before_a_single_missed_sample() -> None:
    machine = Machine()
    machine.start(10, "x")
    recorder = machine.recorder
    assert not recorder.interrupted(Instant(machine.wall_ns, machine.boot_ns)), "nothing was sampled yet"
    machine.sample()
    for missed, ends in ((0, False), (1, False), (2, True), (15, True)):
        at = Instant(machine.wall_ns + missed * SECOND, machine.boot_ns + missed * SECOND)
        assert recorder.interrupted(at) is ends, missed


def machine_block_ending_now() -> Block:
    machine = Machine()
    machine.start(1, "init")
    machine.sample()
    machine.flash(77, "cc1")
    return machine.block(1)


def test_a_pid_that_is_used_again_within_a_second_loses_neither_life() -> None:
    machine = Machine()
    machine.start(1, "init")
    machine.sample()
    first = machine.flash(77, "one", "one", cpu_s=0.1)
    second = machine.start(77, "two", start_ns=first + 1000)
    machine.sample()
    block = machine.block()
    assert [(image.start_ns, image.name) for image in block.images if image.pid == 77] == [
        (first, "one"),
        (second, "two"),
    ]
    assert ends(block)[77].start_ns == first
    rows = {row.start_ns: row.cpu_ns for row in block.process_minutes if row.pid == 77}
    assert rows[first] == 100_000_000


def test_a_fork_without_exec_is_what_its_parent_is() -> None:
    machine = Machine()
    machine.start(5, "bash", "bash", "build.sh")
    machine.sample()
    machine.flash(77, "bash", ppid=5)
    image = images(machine.block(1))[77]
    assert (image.cmdline, image.exe, image.unit) == ("bash build.sh", "/usr/bin/bash", "owl.service")


def test_a_child_of_a_life_that_nobody_saw_either_is_like_its_parent() -> None:
    machine = Machine()
    machine.start(1, "init")
    machine.sample()
    machine.flash(70, "sh", "sh", "-c", "x", ppid=1)
    machine.flash(77, "sh", ppid=70)
    assert images(machine.block(1))[77].cmdline == "sh -c x"


def test_a_process_that_became_another_program_just_before_its_end_has_both_images() -> None:
    machine = Machine()
    machine.start(10, "sh", "sh", "-c", "exec tool")
    machine.sample()
    task = machine._tasks.pop(10)
    machine._depart({**task, "comm": b"tool"}, 0, b"tool\0--fast\0")
    names = [image.cmdline for image in machine.block(1).images if image.pid == 10]
    assert names == ["sh -c 'exec tool'", "tool --fast"]


def test_groups_and_losses_of_a_block_are_added_up() -> None:
    machine = Machine()
    machine.start(1, "init")
    for _ in range(3):
        machine.together("true", lives=100, cpu_ns=50)
        machine.lose(Losses(lives=1, cpu_ns=2))
        machine.sample()
    block = machine.block()
    (group,) = block.groups
    assert (group.name, group.ppid, group.lives, group.cpu_ns) == ("true", 1, 300, 150)
    assert block.lost is not None
    assert (block.lost.lives, block.lost.cpu_ns) == (3, 6)
    following = machine.block(1)
    assert (following.groups, following.lost) == ([], None)


def test_more_lives_than_the_limit_are_all_accounted_for() -> None:
    machine = Machine()
    machine.start(1, "init")
    machine.sample()
    for pid in range(1000, 4000):
        machine.flash(pid, "true", "true", cpu_s=0.001)
    block = machine.block(1)
    assert len(block.ended) == 2000
    (group,) = block.groups
    assert group.lives + len(block.ended) == 3000
    totals = decode_totals(block.tasks, WALL, WALL + 10 * SECOND)
    assert group.cpu_ns + int(np.sum(totals["cpu_ns"])) == 3000 * 1_000_000


def kill(pid: int, at_ns: int) -> Kill:
    return Kill(
        at_ns=at_ns,
        at_wall_ns=WALL,
        pid=pid,
        name="hog",
        uid=0,
        constraint="memcg",
        memcg="/a",
        task_memcg="/a/b",
        trigger="hog",
        rss=2**20,
        text="Memory cgroup out of memory: Killed process",
    )


def test_a_kill_for_want_of_memory_names_the_life_and_the_end_its_cause() -> None:
    machine = Machine()
    machine.start(1, "init")
    start = machine.start(10, "hog")
    machine.sample()
    machine.exit(10, status=9)
    machine.kills = [kill(10, machine.boot_ns - SECOND // 2)]
    block = machine.block(1)
    (told,) = block.ooms
    assert (told.pid, told.start_ns, told.constraint) == (10, start, "memcg")
    assert (ends(block)[10].cause, ends(block)[10].exit_signal) == ("oom", 9)


def test_a_victim_that_takes_until_the_next_block_to_die_has_its_cause_all_the_same() -> None:
    machine = Machine()
    machine.start(10, "hog")
    machine.sample()
    machine.kills = [kill(10, machine.boot_ns)]
    assert len(machine.block(1).ooms) == 1
    machine.exit(10, status=9)
    following = machine.block(1)
    assert (following.ooms, ends(following)[10].cause) == ([], "oom")


def test_another_life_of_the_victims_pid_is_not_the_victim() -> None:
    machine = Machine()
    machine.start(1, "init")
    machine.sample()
    machine.start(10, "later", start_ns=machine.boot_ns)
    machine.kills = [kill(10, machine.boot_ns - 3 * SECOND)]
    (told,) = machine.block(1).ooms
    assert told.start_ns == 0
