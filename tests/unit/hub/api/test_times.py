"""Instants as people and programs write them."""

import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tukur.hub.api.times import MAX_MS, instant_ms, range_ms
from tukur.hub.errors import ProblemError

NOON = 1_777_636_800_000  # 2026-05-01T12:00:00Z


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        (str(NOON), NOON),
        (str(MAX_MS), MAX_MS),
        ("2026-05-01T12:00:00Z", NOON),
        ("2026-05-01t12:00:00z", NOON),
        ("2026-05-01 12:00:00Z", NOON),
        ("2026-05-01T12:00:00.5Z", NOON + 500),
        ("2026-05-01T12:00:00.123456789Z", NOON + 123),
        ("2026-05-01T14:00:00+02:00", NOON),
        ("2026-05-01T14:00:00 02:00", NOON),
        ("2026-05-01T06:30:00-05:30", NOON),
    ],
)
def test_an_instant_is_milliseconds_or_rfc_3339(text: str, expected: int) -> None:
    assert instant_ms(text, "at") == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-1",
        "1.5",
        "now",
        str(MAX_MS + 1),
        "9" * 5000,
        "2026-05-01",
        "2026-05-01T12:00:00",
        "2026-13-01T12:00:00Z",
        "2026-02-30T12:00:00Z",
        "2026-05-01T25:00:00Z",
        "2026-05-01T12:00:00+99:99",
        "1969-12-31T23:59:59Z",
        "0001-01-01T00:00:00+23:59",
        "2026-05-01T12:00:00Z\n",
        "\u0662\u0660\u0662\u0666-05-01T12:00:00Z",  # digits, but not those of RFC 3339
        "\u0661\u0662\u0663",
        "²",
    ],
)
def test_what_is_no_instant_is_told_with_what_was_expected(text: str) -> None:
    with pytest.raises(ProblemError) as raised:
        instant_ms(text, "at")
    assert (raised.value.status, raised.value.code) == (400, "bad_time")
    assert "at=" in raised.value.detail
    assert "RFC 3339 expected" in raised.value.detail
    assert len(raised.value.detail) < 300


_PIECES = st.sampled_from(["2026", "-", "05", "T", ":", "12", "Z", "+", " ", ".", "9999", "0001", "60", "00"])


@given(st.text() | st.from_regex(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)"))
@example("9999-12-31T23:59:59-23:59")
def test_garbage_gives_an_instant_in_range_or_a_problem(text: str) -> None:
    with contextlib.suppress(ProblemError):
        assert 0 <= instant_ms(text, "at") <= MAX_MS


@given(st.lists(_PIECES, max_size=16).map("".join))
def test_pieces_of_an_instant_give_an_instant_or_a_problem(text: str) -> None:
    with contextlib.suppress(ProblemError):
        instant_ms(text, "at")


def test_a_range_ends_after_it_begins() -> None:
    assert range_ms("0", "2026-05-01T12:00:00Z") == (0, NOON)
    for begin, end in (("5", "5"), ("6", "5")):
        with pytest.raises(ProblemError) as raised:
            range_ms(begin, end)
        assert raised.value.code == "bad_range"
