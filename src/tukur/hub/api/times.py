"""Time parameters of requests."""

import datetime
import re
from typing import Annotated

from litestar.params import QueryParameter

from tukur.hub.errors import ProblemError

MAX_MS = 253_402_300_799_999
"""The end of the year 9999."""

_DESCRIPTION = "Milliseconds since the epoch, or RFC 3339 such as 2026-05-01T12:00:00Z"

From = Annotated[str, QueryParameter(name="from", description=_DESCRIPTION, max_length=40)]
To = Annotated[str, QueryParameter(name="to", description=_DESCRIPTION, max_length=40)]
OptionalFrom = Annotated[
    str | None,
    QueryParameter(name="from", description="Start, inclusive; default: the oldest", max_length=40),
]
OptionalTo = Annotated[
    str | None, QueryParameter(name="to", description="End, exclusive; default: no end", max_length=40)
]
AtTime = Annotated[str | None, QueryParameter(name="at", description=_DESCRIPTION, max_length=40)]

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")


def instant_ms(text: str, name: str) -> int:
    """Parses a time; milliseconds since the epoch. Raises ProblemError (400)."""
    # Python refuses to parse numbers of thousands of digits.
    digits = text.isascii() and text.isdigit() and len(text) < 20
    value = int(text) if digits else _rfc3339_ms(text, name)
    if not 0 <= value <= MAX_MS:
        raise _bad_time(name, text)
    return value


def _rfc3339_ms(text: str, name: str) -> int:
    # An unescaped "+" in a query arrives as a space.
    text = re.sub(r" (\d\d:\d\d)$", r"+\1", text)
    if not _RFC3339.fullmatch(text):
        raise _bad_time(name, text)
    try:
        parsed = datetime.datetime.fromisoformat(text.upper())
    except ValueError as error:
        raise _bad_time(name, text) from error
    return int(parsed.timestamp() * 1000)


def _bad_time(name: str, text: str) -> ProblemError:
    return ProblemError(
        400, "bad_time", f"{name}={text[:60]!r}; milliseconds since the epoch or RFC 3339 expected"
    )


def range_ms(from_: str, to: str) -> tuple[int, int]:
    """Parses a range whose end is after its beginning. Raises ProblemError (400)."""
    begin, end = instant_ms(from_, "from"), instant_ms(to, "to")
    if end <= begin:
        raise ProblemError(400, "bad_range", f"from={begin} to={end}; to after from expected")
    return begin, end


def open_range_ms(from_: str | None, to: str | None) -> tuple[int, int]:
    """Like :func:`range_ms`, with optional ends. Raises ProblemError (400)."""
    if from_ is not None and to is not None:
        return range_ms(from_, to)
    begin = 0 if from_ is None else instant_ms(from_, "from")
    end = MAX_MS if to is None else instant_ms(to, "to")
    return begin, end
