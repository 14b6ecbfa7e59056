"""Events taken apart: whatever a ring may hold."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.events import death, execution, group, losses, new_cgroup, reaping
from tukur.records import GROUP_SIZE_1, Losses
from tukur.sources.lives.events import BadEventsError, parse_events


def test_an_empty_ring_is_no_events() -> None:
    events = parse_events(b"")
    assert not len(events.exits)
    assert not len(events.frees)
    assert events.execs == {}


def test_each_kind_is_told_apart() -> None:
    events = parse_events(
        execution(7, b"ls\0-l\0")
        + death(7, status=256)
        + new_cgroup(55, b"/a/b")
        + reaping(7, cpu_ns=9)
        + group(1, b"sh", lives=3)
        + losses(execs=2, lives=1, cpu_ns=5, finals=4)
    )
    assert events.execs == {(7000, 7): b"ls\0-l\0"}
    assert events.exits["status"].tolist() == [256]
    assert events.frees["cpu_ns"].tolist() == [9]
    assert events.cgroups == [(55, "/a/b")]
    assert events.groups["lives"].tolist() == [3]
    assert events.lost == Losses(2, 1, 5, 4)


def test_a_kind_of_a_newer_kernel_side_is_skipped() -> None:
    unknown = struct.pack("=QQII", 1, 2, 32, 99) + bytes(8)
    assert parse_events(unknown + death(7) + unknown).exits["pid"].tolist() == [7]


def test_an_event_that_grew_at_its_end_is_read_as_far_as_it_is_known() -> None:
    longer = bytearray(death(7, ppid=3))
    struct.pack_into("=I", longer, 16, len(longer) + 8)
    assert parse_events(bytes(longer) + bytes(8) + death(8)).exits["pid"].tolist() == [7, 8]


def test_a_group_of_an_older_kernel_side_has_no_peak_that_is_known() -> None:
    shorter = bytearray(group(1, b"sh", lives=3, rss_peak=7, peaks=3))[:GROUP_SIZE_1]
    struct.pack_into("=I", shorter, 16, len(shorter))
    groups = parse_events(bytes(shorter) + death(7) + group(2, b"ls", peaks=2)).groups
    assert groups[["ppid", "lives", "peaks"]].tolist() == [(1, 3, 0), (2, 0, 2)]


def test_the_last_exec_of_a_life_counts() -> None:
    events = parse_events(execution(7, b"sh\0") + execution(7, b"true\0"))
    assert events.execs == {(7000, 7): b"true\0"}


def test_a_cgroup_of_a_v1_hierarchy_is_not_told() -> None:
    assert parse_events(new_cgroup(55, b"/a", root=4)).cgroups == []


def test_several_losses_add_up() -> None:
    assert parse_events(losses(lives=1) + losses(lives=2, finals=1)).lost == Losses(lives=3, finals=1)


@pytest.mark.parametrize(
    "data",
    [
        b"\0" * 5,
        struct.pack("=QQII", 1, 2, 0, 1),
        struct.pack("=QQII", 1, 2, 28, 9) + bytes(4),
        struct.pack("=QQII", 1, 2, 4000, 9),
        struct.pack("=QQII", 1, 2, 24, 2),
    ],
)
def test_bytes_that_are_no_events_are_refused_with_their_place(data: bytes) -> None:
    with pytest.raises(BadEventsError, match=r"expected|at least"):
        parse_events(data)


@given(st.binary(max_size=400))
def test_any_bytes_give_events_or_a_clear_refusal(data: bytes) -> None:
    try:
        parse_events(data)
    except BadEventsError as error:
        assert str(error)


@given(st.binary(max_size=100))
def test_arguments_of_any_bytes_come_back(args: bytes) -> None:
    assert parse_events(death(3) + execution(7, args) + death(4)).execs == {(7000, 7): args}
