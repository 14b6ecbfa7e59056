"""The spool: bounded, never half-written, and nothing lost that need not be."""

import os
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.spool import BOOT, OTHER_BOOT, SECOND, put, segments, span
from tukur.agent.spool.format import Span
from tukur.agent.spool.segment import Segment
from tukur.agent.spool.spool import MEMORY_BLOCKS, Bounds, Spool, Ticket
from tukur.protocol.hub_side import pack
from tukur.protocol.messages import Block, HostMinute


def waiting(spool: Spool) -> list[int]:
    """The numbers of what waits, in the order in which it would be sent."""
    found: list[int] = []
    seen: set[Ticket] = set()
    while (ticket := spool.newest(seen)) is not None:
        seen.add(ticket)
        entry = spool.read(ticket)
        if entry is not None:
            assert entry[0] == span(int(entry[1][:6]))
            found.append(int(entry[1][:6]))
    return found


def acknowledge(spool: Spool, *numbers: int) -> None:
    """The hub has these."""
    seen: set[Ticket] = set()
    while (ticket := spool.newest(seen)) is not None:
        seen.add(ticket)
        entry = spool.read(ticket)
        if entry is not None and int(entry[1][:6]) in numbers:
            spool.done(ticket)


def told(spool: Spool) -> list[tuple[int, int, int, int, str]]:
    """(number of the first block, of the last, blocks, samples, reason) of each gap."""
    return [
        (gap.first_ns // SECOND // 10, gap.last_ns // SECOND // 10, gap.blocks, gap.samples, gap.reason)
        for gap in spool.gaps
    ]


# --- in and out


def test_what_was_put_in_is_there_after_a_restart_newest_first(tmp_path: Path) -> None:
    put(Spool(tmp_path), 1, 2, 3)
    again = Spool(tmp_path)
    assert waiting(again) == [3, 2, 1]
    put(again, 4)
    assert waiting(Spool(tmp_path)) == [4, 3, 2, 1]


def test_what_the_hub_has_is_not_sent_again_after_a_restart(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    put(spool, 1, 2, 3)
    acknowledge(spool, 1, 3)
    assert waiting(spool) == waiting(Spool(tmp_path)) == [2]


def test_a_segment_of_which_all_is_acknowledged_is_deleted(tmp_path: Path) -> None:
    spool = Spool(tmp_path, Bounds(limit=8 * 300))
    put(spool, 1, 2, 3)
    assert len(segments(tmp_path)) == 3
    acknowledge(spool, 1, 2, 3)
    assert len(spool) == 0
    assert len(segments(tmp_path)) == 1, "the one that is written to stays"
    Spool(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_segment_ends_after_an_hour(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    put(spool, *range(0, 400, 10))
    assert len(segments(tmp_path)) == 2


def test_what_the_hub_cannot_store_is_set_aside_for_a_person(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    put(spool, 1)
    ticket = spool.newest()
    assert ticket is not None
    spool.quarantine(ticket, "rejected")
    assert len(spool) == len(Spool(tmp_path)) == 0
    (kept,) = (tmp_path / "rejected").iterdir()
    assert kept.name == f"{BOOT}-{10 * SECOND:020d}.block"
    assert kept.read_bytes().startswith(b"000001")


def test_files_set_aside_are_bounded(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for number in range(120):
        put(spool, number)
        ticket = spool.newest()
        assert ticket is not None
        spool.quarantine(ticket, "rejected")
    assert len(list((tmp_path / "rejected").iterdir())) == 100


# --- bounds


def test_past_its_size_the_oldest_goes_first_and_is_told_as_one_gap(tmp_path: Path) -> None:
    spool = Spool(tmp_path, Bounds(limit=8 * 1068))
    put(spool, *range(1, 21), size=1000)
    left = waiting(spool)
    assert left == list(range(20, 20 - len(left), -1))
    assert 5 <= len(left) <= 8
    assert spool.dropped == 20 - len(left)
    assert told(spool) == [(1, spool.dropped, spool.dropped, spool.dropped * 10, "spool_full")]
    assert sum(path.stat().st_size for path in segments(tmp_path)) <= 8 * 1068 + 1000
    again = Spool(tmp_path, Bounds(limit=8 * 1068))
    assert told(again) == told(spool)
    assert waiting(again) == left


def test_other_bounds_hold_from_the_next_block_on(tmp_path: Path) -> None:
    spool = Spool(tmp_path, Bounds(limit=80 * 1068))
    put(spool, *range(1, 41), size=1000)
    assert len(spool) == 40
    spool.bounds = Bounds(limit=8 * 1068)
    put(spool, 41, size=1000)
    left = waiting(spool)
    assert left[0] == 41
    assert sum(path.stat().st_size for path in segments(tmp_path)) <= 8 * 1068 + 1000
    assert spool.dropped == 41 - len(left)


def test_past_its_age_a_block_goes_and_is_told(tmp_path: Path) -> None:
    spool = Spool(tmp_path, Bounds(age_s=2 * 3600))
    put(spool, *range(1, 1400))
    left = waiting(spool)
    assert 1399 - left[-1] >= 719, "nothing younger than two hours is given up"
    assert 1399 - left[-1] <= 1082, "a segment of an hour goes as a whole"
    assert told(spool) == [(1, left[-1] - 1, left[-1] - 1, (left[-1] - 1) * 10, "spool_age")]


def test_a_wall_clock_that_jumps_gives_nothing_up(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    put(spool, 1)
    for number, jump in ((500, 10**9), (501, -(10**9)), (1002, 0)):
        here = span(number)
        wall = here.first_wall_ns + jump * SECOND
        spool.put(Span(BOOT, here.first_ns, here.last_ns, wall, wall + 9 * SECOND, 10), b"x")
    assert len(spool) == 4
    assert spool.dropped == 0


def test_a_gap_does_not_cover_what_the_hub_has(tmp_path: Path) -> None:
    bounds = Bounds(limit=8 * 1068)
    spool = Spool(tmp_path, bounds)
    put(spool, 1, 2, 3, 4, 5, size=1000)
    acknowledge(spool, 3)
    put(spool, *range(6, 15), size=1000)
    assert [gap[:3] for gap in told(spool)][:2] == [(1, 2, 2), (4, told(spool)[1][1], told(spool)[1][1] - 3)]


def test_a_gap_is_kept_until_the_hub_has_all_of_it(tmp_path: Path) -> None:
    bounds = Bounds(limit=8 * 1068)
    spool = Spool(tmp_path, bounds)
    put(spool, *range(1, 10), size=1000)
    (sent,) = spool.gaps
    put(spool, *range(10, 14), size=1000)
    spool.gap_done(sent.boot_id, sent.first_ns, sent.last_ns)
    (grown,) = spool.gaps
    assert grown.last_ns > sent.last_ns
    assert Spool(tmp_path, bounds).gaps == [grown]
    spool.gap_done(grown.boot_id, grown.first_ns, grown.last_ns)
    assert spool.gaps == Spool(tmp_path, bounds).gaps == []


def test_gaps_outlive_the_segment_that_they_are_written_in(tmp_path: Path) -> None:
    bounds = Bounds(limit=8 * 1068)
    spool = Spool(tmp_path, bounds)
    put(spool, *range(1, 60), size=1000)
    spool.put(span(1, OTHER_BOOT), bytes(1000))
    for number in range(2, 60):
        spool.put(span(number, OTHER_BOOT), bytes(1000))
    assert [(gap.boot_id, gap.blocks) for gap in Spool(tmp_path, bounds).gaps] == [
        (BOOT, 59),
        (OTHER_BOOT, 59 - len(spool)),
    ]


def test_a_death_between_the_gap_and_the_deletion_leaves_no_block_both_given_up_and_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bounds = Bounds(limit=8 * 1068)
    spool = Spool(tmp_path, bounds)
    put(spool, *range(1, 7), size=1000)
    # The agent dies just before the file is deleted.
    monkeypatch.setattr(Segment, "remove", lambda _: None)
    put(spool, *range(7, 10), size=1000)
    monkeypatch.undo()
    again = Spool(tmp_path, bounds)
    assert told(again) == told(spool)
    assert waiting(again) == waiting(spool)


# --- damage


def everything(folder: Path) -> list[int]:
    """A spool of ten blocks of several sizes in three segments."""
    spool = Spool(folder, Bounds(limit=8 * 1600))
    for number in range(1, 11):
        put(spool, number, size=40 + 70 * number)
    return list(range(1, 11))


def test_a_torn_tail_is_cut_and_nothing_else_is_lost(tmp_path: Path) -> None:
    everything(tmp_path)
    last = segments(tmp_path)[-1]
    content = last.read_bytes()
    for missing in (1, 4, 50, len(content) // 2):
        last.write_bytes(content[:-missing])
        spool = Spool(tmp_path)
        assert spool.damaged == 0
        assert waiting(spool)[-6:] == [6, 5, 4, 3, 2, 1]


def test_a_tail_of_zeros_is_a_torn_one(tmp_path: Path) -> None:
    everything(tmp_path)
    with segments(tmp_path)[-1].open("ab") as file:
        file.write(bytes(100_000))
    spool = Spool(tmp_path)
    assert (spool.damaged, spool.gaps) == (0, [])
    assert len(waiting(spool)) == 10


def test_a_record_whose_data_is_damaged_is_told_with_its_time(tmp_path: Path) -> None:
    put(Spool(tmp_path), 1, 2, 3)
    flip(segments(tmp_path)[0], 168 + 64 + 50)
    spool = Spool(tmp_path)
    assert waiting(spool) == [3, 1]
    assert spool.damaged == 1
    assert told(spool) == [(2, 2, 1, 10, "damaged")]
    again = Spool(tmp_path)
    assert (again.damaged, told(again), waiting(again)) == (0, told(spool), [3, 1])


def test_a_record_whose_head_is_damaged_is_told_by_its_neighbours_and_once(tmp_path: Path) -> None:
    put(Spool(tmp_path), 1, 2, 3)
    flip(segments(tmp_path)[0], 168 + 20)
    spool = Spool(tmp_path)
    assert waiting(spool) == [3, 1]
    assert spool.damaged == 1
    (gap,) = spool.gaps
    assert (gap.blocks, gap.samples, gap.reason) == (0, 0, "damaged")
    assert (gap.first_ns, gap.last_ns) == (span(1).last_ns + 1, span(3).first_ns - 1)
    again = Spool(tmp_path)
    assert (again.damaged, again.gaps) == (0, [gap])


def test_damage_to_what_the_hub_has_is_no_loss(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    put(spool, 1, 2, 3)
    acknowledge(spool, 2)
    flip(segments(tmp_path)[0], 168 + 20)
    again = Spool(tmp_path)
    assert (again.damaged, again.gaps, waiting(again)) == (0, [], [3, 1])


def test_data_that_looks_like_a_record_is_not_taken_for_one(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    put(Spool(inner), 7)
    spool = Spool(tmp_path / "outer")
    content = segments(inner)[0].read_bytes()
    spool.put(span(1), b"000001" + content)
    put(spool, 2)
    assert waiting(Spool(tmp_path / "outer")) == [2, 1]


def flip(path: Path, at: int, mask: int = 1) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= mask
    path.write_bytes(content)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.floats(0, 1, exclude_max=True), mask=st.integers(1, 255))
def test_any_byte_that_changes_costs_one_block_at_most(
    tmp_path_factory: pytest.TempPathFactory, where: float, mask: int
) -> None:
    folder = tmp_path_factory.mktemp("flip")
    everything(folder)
    files = segments(folder)
    sizes = [path.stat().st_size for path in files]
    at = int(where * sum(sizes))
    for path, size in zip(files, sizes, strict=True):
        if at < size:
            flip(path, at, mask)
            break
        at -= size
    spool = Spool(folder)
    left = waiting(spool)
    (lost,) = set(range(1, 11)) - set(left)
    assert spool.damaged == 1 or lost == 10, "all but a torn tail is counted"
    for gap in spool.gaps:
        assert span(lost).first_ns >= gap.first_ns
        assert span(lost).last_ns <= gap.last_ns
    again = Spool(folder)
    assert (waiting(again), again.gaps) == (left, spool.gaps)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.floats(0, 1))
def test_power_lost_at_any_byte_costs_only_what_was_being_written(
    tmp_path_factory: pytest.TempPathFactory, where: float
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    spool = Spool(folder)
    ends = []
    for number in range(1, 11):
        put(spool, number, size=40 + 70 * number)
        ends.append(segments(folder)[0].stat().st_size)
    (path,) = segments(folder)
    cut = int(where * ends[-1])
    os.truncate(path, cut)
    again = Spool(folder)
    assert waiting(again) == [number for number in range(10, 0, -1) if ends[number - 1] <= cut]
    assert (again.damaged, again.gaps) == (0, [])
    put(again, 11)
    assert waiting(Spool(folder))[0] == 11


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_recorded_and_acknowledged_what_is_neither_waits_or_is_told(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder, bounds = tmp_path_factory.mktemp("mixed"), Bounds(limit=8 * 700)
    spool, number, have = Spool(folder, bounds), 0, set()
    for step in data.draw(st.lists(st.sampled_from(["put", "put", "ack", "restart"]), max_size=60)):
        if step == "put":
            number += 1
            put(spool, number, size=data.draw(st.integers(10, 900)))
        elif step == "ack" and len(spool):
            chosen = data.draw(st.sampled_from(waiting(spool)))
            acknowledge(spool, chosen)
            have.add(chosen)
        elif step == "restart":
            spool = Spool(folder, bounds)
        lost = {n for first, last, *_ in told(spool) for n in range(first, last + 1)}
        assert sorted([*waiting(spool), *lost, *have]) == list(range(1, number + 1))
        assert spool.bytes <= bounds.limit + 1000


# --- acknowledgements


def test_an_acknowledgement_that_was_cut_off_is_none(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    put(spool, 1, 2, 3)
    acknowledge(spool, 1, 2)
    (path,) = tmp_path.glob("*.ack")
    path.write_bytes(path.read_bytes()[:-3])
    again = Spool(tmp_path)
    assert len(waiting(again)) == 2
    acknowledge(again, *waiting(again)[1:])
    assert waiting(Spool(tmp_path)) == [3]


def test_acknowledgements_without_their_segment_are_removed(tmp_path: Path) -> None:
    (tmp_path / "0000000001.ack").write_bytes(bytes(16))
    spool = Spool(tmp_path)
    put(spool, 1)
    assert waiting(Spool(tmp_path)) == [1]


# --- the disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("mounting a small tmpfs needs root")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", tmp_path], check=True)
    yield tmp_path
    subprocess.run(["umount", "-l", tmp_path], check=True)


def test_a_full_disk_costs_no_block_while_memory_has_room(small_disk: Path) -> None:
    spool = Spool(small_disk / "spool")
    filler = small_disk / "filler"
    filler.write_bytes(bytes(48 * 1024))
    put(spool, 1, 2, 3, 4, size=6_000)
    assert "ENOSPC" in spool.fault
    assert waiting(spool) == [4, 3, 2, 1]
    filler.unlink()
    put(spool, 5)
    assert spool.fault == ""
    assert sorted(waiting(Spool(small_disk / "spool"))) == [1, 2, 3, 4, 5]


def test_a_block_that_was_sent_from_memory_is_acknowledged_on_disk(small_disk: Path) -> None:
    spool = Spool(small_disk / "spool")
    filler = small_disk / "filler"
    filler.write_bytes(bytes(60 * 1024))
    put(spool, 1, size=6_000)
    sent = spool.newest()
    assert sent is not None
    filler.unlink()
    put(spool, 2)
    spool.done(sent)
    assert waiting(Spool(small_disk / "spool")) == [2]


def test_memory_stays_bounded_while_the_disk_takes_nothing_and_what_it_costs_is_told(
    small_disk: Path,
) -> None:
    spool = Spool(small_disk / "spool")
    filler = small_disk / "filler"
    filler.write_bytes(bytes(60 * 1024))
    put(spool, *range(1, MEMORY_BLOCKS + 6), size=20_000)
    assert len(spool) == MEMORY_BLOCKS
    assert spool.dropped == 5
    assert waiting(spool)[-1] == 6
    assert told(spool) == [(1, 5, 5, 50, "disk_full")]
    filler.unlink()
    acknowledge(spool, *range(8, MEMORY_BLOCKS + 6))
    put(spool, MEMORY_BLOCKS + 6, size=100)
    again = Spool(small_disk / "spool")
    assert told(again) == [(1, 5, 5, 50, "disk_full")]
    assert sorted(waiting(again)) == [6, 7, MEMORY_BLOCKS + 6]


# --- the layout before


def old_block(number: int) -> bytes:
    here = span(number)
    return pack(
        Block(
            boot_id=here.boot_id,
            first_ns=here.first_ns,
            last_ns=here.last_ns,
            first_wall_ns=here.first_wall_ns,
            last_wall_ns=here.last_wall_ns,
            samples=here.samples,
            lives=0,
            missed=0,
            tasks=b"t",
            host=b"h",
            images=[],
            ended=[],
            host_minute=HostMinute(samples=1, figures={}),
            process_minutes=[],
        )
    )


def old_file(folder: Path, number: int, data: bytes) -> None:
    content = data + zlib.crc32(data).to_bytes(4, "little")
    (folder / f"{BOOT}-{span(number).first_ns:020d}.block").write_bytes(content)


def test_blocks_of_the_layout_before_are_taken_over(tmp_path: Path) -> None:
    for number in range(1, 101):
        old_file(tmp_path, number, old_block(number))
    (tmp_path / "x.tmp").write_bytes(b"half")
    for _ in range(2):
        spool = Spool(tmp_path)
        seen: set[Ticket] = set()
        for number in range(100, 0, -1):
            ticket = spool.newest(seen)
            assert ticket is not None
            seen.add(ticket)
            assert spool.read(ticket) == (span(number), old_block(number))
        assert spool.newest(seen) is None
    assert not list(tmp_path.glob("*.block"))
    assert not list(tmp_path.glob("*.tmp"))


def test_a_damaged_one_among_them_is_set_aside_and_counted(tmp_path: Path) -> None:
    old_file(tmp_path, 1, old_block(1))
    old_file(tmp_path, 2, b"\x01no block")
    old_file(tmp_path, 3, old_block(3))
    flip(next(tmp_path.glob(f"*-{span(3).first_ns:020d}.block")), 5)
    spool = Spool(tmp_path)
    assert (len(spool), spool.damaged) == (1, 2)
    assert len(list((tmp_path / "damaged").iterdir())) == 2


def test_those_that_a_full_disk_has_no_room_for_stay_for_the_next_start(small_disk: Path) -> None:
    folder = small_disk / "spool"
    folder.mkdir()
    for number in range(1, 4):
        old_file(folder, number, old_block(number))
    (small_disk / "filler").write_bytes(bytes(48 * 1024))
    while True:
        try:
            with (small_disk / "filler").open("ab") as file:
                file.write(bytes(4096))
        except OSError:
            break
    assert len(Spool(folder)) == 0
    (small_disk / "filler").unlink()
    assert len(Spool(folder)) == 3
