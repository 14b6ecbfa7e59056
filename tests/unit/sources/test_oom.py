"""Kills for want of memory: of recorded lines of the kernel's log, and of a real kill on this machine."""

import errno
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.memory import LIMIT, eat, little_memory
from tukur.sources.oom import Kill, KillParser, Line, OomReader, parse_record, unescape
from tukur.text import readable

INVOKED = "{name} invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0"
SUMMARY = (
    "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,"
    "oom_memcg={limit},task_memcg={victim},task={name},pid={pid},uid=1000"
)
GLOBAL = (
    "oom-kill:constraint=CONSTRAINT_{constraint},nodemask={nodes},global_oom,"
    "task_memcg={victim},task=stress,pid=9,uid=0"
)
KILLED = (
    "Memory cgroup out of memory: Killed process {pid} ({name}) total-vm:35224kB, anon-rss:24000kB, "
    "file-rss:4000kB, shmem-rss:1kB, UID:1000 pgtables:104kB oom_score_adj:0"
)


def kills(*texts: str, parser: KillParser | None = None, at_us: int = 5_000_000) -> list[Kill]:
    parser = parser or KillParser()
    told = (parser.add(Line(seq, at_us + seq, text)) for seq, text in enumerate(texts))
    return [kill for kill in told if kill is not None]


def test_a_cgroups_limit_names_victim_cgroups_and_trigger() -> None:
    (kill,) = kills(
        INVOKED.format(name="java"),
        "CPU: 1 UID: 0 PID: 20099 Comm: java Not tainted 6.18.44 #1 PREEMPT(none)",
        "Memory cgroup stats for /a:",
        SUMMARY.format(limit="/a", victim="/a/b.service", name="python", pid=77),
        KILLED.format(pid=77, name="python"),
    )
    assert (kill.pid, kill.name, kill.uid, kill.trigger) == (77, "python", 1000, "java")
    assert (kill.constraint, kill.memcg, kill.task_memcg) == ("memcg", "/a", "/a/b.service")
    assert kill.rss == 28_001 * 1024
    assert kill.at_ns == 5_000_004_000
    assert kill.text.startswith("Memory cgroup out of memory: Killed process 77 (python) total-vm")


@pytest.mark.parametrize(
    ("summary", "message", "constraint", "victim"),
    [
        # A whole machine, as 5.15 and 6.1 have it.
        (
            GLOBAL.format(constraint="NONE", nodes="(null),cpuset=/,mems_allowed=0", victim="/user.slice"),
            "Out of memory",
            "none",
            "/user.slice",
        ),
        (
            GLOBAL.format(constraint="CPUSET", nodes="0,cpuset=jobs,mems_allowed=0-1", victim="/jobs/1"),
            "Out of memory",
            "cpuset",
            "/jobs/1",
        ),
        # A kernel without memory cgroups and cpusets.
        (
            "oom-kill:constraint=CONSTRAINT_MEMORY_POLICY,nodemask=0,task=stress,pid=9,uid=0",
            "Out of memory (oom_kill_allocating_task)",
            "memory_policy",
            "",
        ),
    ],
)
def test_the_constraint_says_whose_memory_it_was(
    summary: str, message: str, constraint: str, victim: str
) -> None:
    (kill,) = kills(
        summary,
        f"{message}: Killed process 9 (stress) total-vm:1kB, anon-rss:1kB, file-rss:0kB, shmem-rss:0kB, "
        "UID:0 pgtables:1kB oom_score_adj:0",
    )
    assert (kill.constraint, kill.memcg, kill.task_memcg) == (constraint, "", victim)


def test_a_kill_whose_other_lines_fell_to_the_rate_limit_borrows_from_no_other() -> None:
    first, second = kills(
        INVOKED.format(name="java"),
        SUMMARY.format(limit="/a", victim="/a/b", name="one", pid=1),
        KILLED.format(pid=1, name="one"),
        KILLED.format(pid=2, name="two"),
    )
    assert (first.memcg, first.trigger) == ("/a", "java")
    assert (second.constraint, second.memcg, second.task_memcg, second.trigger) == ("memcg", "", "", "")


def test_the_members_of_a_group_are_killed_for_its_reason() -> None:
    lines = [
        INVOKED.format(name="one"),
        SUMMARY.format(limit="/a", victim="/a/b/c", name="one", pid=1),
        KILLED.format(pid=1, name="one"),
        "Tasks in /a/b are going to be killed due to memory.oom.group set",
        KILLED.format(pid=2, name="two"),
        # The first one again: the kernel goes through all of the group.
        KILLED.format(pid=1, name="one"),
        KILLED.format(pid=3, name="three"),
    ]
    parser = KillParser()
    found = kills(*lines, parser=parser)
    assert [(kill.pid, kill.memcg, kill.task_memcg, kill.trigger) for kill in found] == [
        (1, "/a", "/a/b/c", "one"),
        (2, "/a", "/a/b", "one"),
        (3, "/a", "/a/b", "one"),
    ]
    (later,) = kills(KILLED.format(pid=4, name="four"), parser=parser, at_us=9_000_000)
    assert later.memcg == ""


@pytest.mark.parametrize(
    "name",
    [
        ") total-vm:1kB",
        "x,pid=1,uid=0",
        ",task=init",
        "a (b) c",
        "Killed process",
        "ev\\x0ail",
        "oom-kill:",
        "",
    ],
)
@pytest.mark.parametrize("victim", ["/a", "/a/b", "/a/x,task_memcg=/y", "/a/,task=z,pid=1,uid=0"])
def test_a_process_may_call_itself_anything(name: str, victim: str) -> None:
    (kill,) = kills(
        INVOKED.format(name=name),
        SUMMARY.format(limit="/a", victim=victim, name=name, pid=77),
        KILLED.format(pid=77, name=name),
    )
    assert (kill.pid, kill.name, kill.trigger) == (77, unescape(name), unescape(name))
    assert (kill.memcg, kill.task_memcg) == ("/a", victim)


@given(st.binary(max_size=300))
def test_no_record_is_too_odd(record: bytes) -> None:
    line = parse_record(record) or parse_record(b"6,1,2,-;" + record)
    if line is not None:
        KillParser().add(line)


@given(
    st.lists(st.sampled_from([INVOKED, SUMMARY, KILLED, "Tasks in {limit} are going to be killed"])),
    st.text(max_size=15),
)
def test_no_order_of_lines_is_too_odd(lines: list[str], name: str) -> None:
    texts = [line.format(name=name, limit="/a", victim="/a/b", pid=5) for line in lines]
    for kill in kills(*texts):
        assert kill.pid == 5
        assert kill.memcg in ("", "/a")


@given(st.binary(max_size=60).filter(lambda raw: b"\0" not in raw))
def test_what_the_kernel_escaped_is_read_as_it_was_meant(raw: bytes) -> None:
    escaped = "".join(chr(byte) if 32 <= byte < 127 and byte != 92 else f"\\x{byte:02x}" for byte in raw)
    assert unescape(escaped) == readable(raw)


@pytest.mark.parametrize(
    ("record", "line"),
    [
        (b"6,344,25743292217,-;hello\n", Line(344, 25743292217, "hello")),
        (b"6,344,25743292217,-,caller=T1;a;b\n SUBSYSTEM=x\n", Line(344, 25743292217, "a;b")),
        # A program's own words, which have a facility: 1 is user.
        (b"12,345,5,-;Out of memory: Killed process 1 (init)\n", None),
        (b"", None),
        (b"no record", None),
        (b"x,1,2,-;text\n", None),
    ],
)
def test_only_the_kernels_own_records_count(record: bytes, line: Line | None) -> None:
    assert parse_record(record) == line


def test_where_the_log_cannot_be_read_the_blind_spot_says_why(tmp_path: Path) -> None:
    reader = OomReader(str(tmp_path / "none"))
    assert reader.read() == []
    assert "No such file" in reader.blind_spot
    reader.close()


def test_what_was_written_over_is_counted_and_the_rest_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    if not os.access("/dev/kmsg", os.R_OK):
        pytest.skip("needs /dev/kmsg")
    reader = OomReader()
    killed = KILLED.format(pid=5, name="x")
    answers: list[bytes | OSError] = [
        b"6,10,1,-;a\n",
        OSError(errno.EPIPE, "Broken pipe"),
        f"3,31,2,-;{killed}\n".encode(),
        BlockingIOError(errno.EAGAIN, "again"),
    ]

    def read(_fd: int, _size: int) -> bytes:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(os, "read", read)
        assert [kill.pid for kill in reader.read()] == [5]
    assert (reader.overwritten, reader.blind_spot) == (20, "")
    reader.close()


@pytest.fixture
def memory_cgroup() -> Iterator[tuple[Path, str]]:
    with little_memory() as made:
        yield made


def test_a_real_kill_is_told_with_victim_cgroup_and_time(memory_cgroup: tuple[Path, str]) -> None:
    folder, path = memory_cgroup
    reader = OomReader()
    before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    pid = eat(folder, "ev,pid=1,\n) tota")
    found = [kill for kill in reader.read() if kill.pid == pid]
    after = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    reader.close()
    (kill,) = found
    assert (kill.name, kill.uid, kill.constraint) == (r"ev,pid=1,\n) tot", 0, "memcg")
    assert (kill.memcg, kill.task_memcg, kill.trigger) == (path, path, r"ev,pid=1,\n) tot")
    assert LIMIT // 2 < kill.rss < 4 * LIMIT
    assert before <= kill.at_ns <= after
    assert abs(kill.at_wall_ns - time.time_ns()) < 10_000_000_000


def test_what_a_program_writes_to_the_log_kills_nobody() -> None:
    if not os.access("/dev/kmsg", os.W_OK):
        pytest.skip("needs /dev/kmsg")
    reader = OomReader()
    Path("/dev/kmsg").write_text("<3>" + KILLED.format(pid=1, name="init"))
    assert [kill for kill in reader.read() if kill.pid == 1] == []
    reader.close()
