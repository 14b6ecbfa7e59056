"""What parents were charged for children that nobody saw."""

from tukur.sources.lives.reaped_children import ReapedChildrenCpu


def taken(waited: ReapedChildrenCpu) -> dict[int, int]:
    return {int(group["ppid"]): int(group["cpu_ns"]) for group in waited.take(1000)}


def test_time_of_children_that_nobody_saw_is_their_parents_group() -> None:
    waited = ReapedChildrenCpu()
    waited.grew(5, 100, 1000, 70)
    (group,) = waited.take(1000)
    assert (int(group["ppid"]), int(group["start_ns"]), int(group["uid"])) == (5, 100, 1000)
    assert (int(group["cpu_ns"]), int(group["lives"]), bytes(group["comm"])) == (70, 0, b"")


def test_what_was_seen_of_a_child_is_not_counted_again() -> None:
    waited = ReapedChildrenCpu()
    waited.grew(5, 100, 0, 70)
    waited.child_gone(9, 5, 50)
    assert taken(waited) == {5: 20}


def test_a_parent_read_before_its_child_was_gone_is_charged_at_the_next_reading() -> None:
    waited = ReapedChildrenCpu()
    waited.child_gone(9, 5, 50)
    assert taken(waited) == {}
    waited.grew(5, 100, 0, 60)
    assert taken(waited) == {5: 10}


def test_a_child_that_its_parent_never_waits_for_is_forgotten() -> None:
    waited = ReapedChildrenCpu()
    waited.child_gone(9, 5, 50)
    taken(waited)
    taken(waited)
    waited.grew(5, 100, 0, 60)
    assert taken(waited) == {5: 60}


def test_two_growths_between_readings_add_up() -> None:
    waited = ReapedChildrenCpu()
    waited.grew(5, 100, 0, 10)
    waited.grew(5, 100, 0, 20)
    assert taken(waited) == {5: 30}


def test_a_child_that_went_with_its_parent_was_charged_to_the_parents_parent() -> None:
    waited = ReapedChildrenCpu()
    # 9 is 8's child, 8 is 7's, 7 is 5's; all but 5 are gone at once.
    waited.child_gone(7, 5, 1)
    waited.child_gone(9, 8, 50)
    waited.child_gone(8, 7, 2)
    waited.grew(5, 100, 0, 60)
    assert taken(waited) == {5: 7}


def test_pids_that_lead_back_to_themselves_do_not_hang() -> None:
    waited = ReapedChildrenCpu()
    waited.child_gone(7, 8, 1)
    waited.child_gone(8, 7, 1)
    assert taken(waited) == {}
