"""Instants as a request writes them."""

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
Since = Annotated[
    str | None,
    QueryParameter(name="from", description="From this time on; default: the beginning", max_length=40),
]
Until = Annotated[
    str | None, QueryParameter(name="to", description="Before this time; default: no end", max_length=40)
]
At = Annotated[str | None, QueryParameter(name="at", description=_DESCRIPTION, max_length=40)]

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")


def instant_ms(text: str, name: str) -> int:
    """The instant in milliseconds. Raises ProblemError (400)."""
    # Python refuses to read a number of thousands of digits: those are no instant either.
    digits = text.isascii() and text.isdigit() and len(text) < 20
    value = int(text) if digits else _rfc3339_ms(text, name)
    if not 0 <= value <= MAX_MS:
        raise _bad(name, text)
    return value


def _rfc3339_ms(text: str, name: str) -> int:
    # A "+" in a query that was not escaped arrives as a space.
    text = re.sub(r" (\d\d:\d\d)$", r"+\1", text)
    if not _RFC3339.fullmatch(text):
        raise _bad(name, text)
    try:
        parsed = datetime.datetime.fromisoformat(text.upper())
    except ValueError as error:
        raise _bad(name, text) from error
    return int(parsed.timestamp() * 1000)


def _bad(name: str, text: str) -> ProblemError:
    return ProblemError(
        400, "bad_time", f"{name}={text[:60]!r}; milliseconds since the epoch or RFC 3339 expected"
    )


def range_ms(from_: str, to: str) -> tuple[int, int]:
    """A range; the end lies after the beginning. Raises ProblemError (400)."""
    begin, end = instant_ms(from_, "from"), instant_ms(to, "to")
    if end <= begin:
        raise ProblemError(
            400, "bad_range", f"from={begin} to={end}; a range that ends after it begins expected"
        )
    return begin, end


def open_range_ms(from_: str | None, to: str | None) -> tuple[int, int]:
    """The same where either end may be left out. Raises ProblemError (400)."""
    if from_ is not None and to is not None:
        return range_ms(from_, to)
    begin = 0 if from_ is None else instant_ms(from_, "from")
    end = MAX_MS if to is None else instant_ms(to, "to")
    return begin, end
