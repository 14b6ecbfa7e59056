"""Whatever is done to the audit log shows."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tukur.hub.audit.chain import ChainVerifier, head_of, sealed
from tukur.hub.models.audit import START, Entry, Head
from tukur.protocol import auth

KEY, OTHERS = auth.new_key(), auth.new_key()


def chain(count: int, key: bytes = KEY, before: bytes = START, first: int = 1) -> list[Entry]:
    entries = []
    for seq in range(first, first + count):
        entry = Entry(
            seq=seq,
            at_ms=1000 + seq,
            actor="admin",
            origin="192.0.2.7",
            action="order.issue",
            target="owl",
            result="done",
            detail=f'{{"pid":{seq}}}',
            hash=b"",
            signature=b"",
        )
        entries.append(sealed(entry, before, key))
        before = entries[-1].hash
    return entries


def wrong(entries: list[Entry], head: Head | None) -> list[str]:
    check = ChainVerifier(auth.public_key(KEY), head)
    return [*check.entries(entries), *check.end()]


WHOLE = chain(10)
HEAD = head_of(WHOLE[-1], KEY)


def test_nothing_is_wrong_with_what_nobody_touched() -> None:
    assert wrong(WHOLE, HEAD) == []
    assert wrong([], None) == []


@pytest.mark.parametrize("name", ["at_ms", "actor", "origin", "action", "target", "result", "detail"])
def test_a_changed_entry_shows_whatever_was_changed(name: str) -> None:
    value = 7 if name == "at_ms" else "another"
    changed = [*WHOLE]
    changed[4] = msgspec.structs.replace(WHOLE[4], **{name: value})
    assert wrong(changed, HEAD) == ["entry 5 was altered, or does not follow its predecessor"]


def test_who_writes_the_hashes_anew_lacks_the_key() -> None:
    forged = WHOLE[:4] + chain(6, OTHERS, WHOLE[3].hash, 5)
    assert wrong(forged, HEAD) == [f"entry {seq} was not written by this hub" for seq in range(5, 11)]


def test_a_removed_entry_shows() -> None:
    assert wrong(WHOLE[:3] + WHOLE[4:], HEAD)[0] == "entry 4 is missing"
    assert wrong(WHOLE[:3] + WHOLE[6:], HEAD)[0] == "entries 4 to 6 are missing"
    assert wrong(WHOLE[2:], HEAD)[0] == "entries 1 to 2 are missing"


def test_entries_in_another_order_show() -> None:
    assert wrong([*WHOLE[:3], WHOLE[4], WHOLE[3], *WHOLE[5:]], HEAD)


def test_entries_that_are_missing_at_the_end_show_by_the_head() -> None:
    assert wrong(WHOLE[:7], HEAD) == ["the entries after 7 are missing: there were 10"]
    assert wrong([], HEAD) == ["the entries after 0 are missing: there were 10"]


def test_a_head_that_is_older_is_no_fault() -> None:
    assert wrong(WHOLE, head_of(WHOLE[6], KEY)) == []


def test_a_head_of_somebody_elses_and_a_missing_one_show() -> None:
    assert wrong(WHOLE[:7], head_of(WHOLE[6], OTHERS)) == ["the head was not written by this hub"]
    assert wrong(WHOLE, None)[0].startswith("the head is missing")


@given(st.permutations(range(10)), st.integers(0, 10))
def test_any_selection_in_any_order_shows(order: list[int], kept: int) -> None:
    picked = [WHOLE[at] for at in order[:kept]]
    assert bool(wrong(picked, HEAD)) == (picked != WHOLE)
