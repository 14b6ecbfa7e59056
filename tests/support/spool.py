"""Spools that a test fills with numbered ten-second blocks."""

from pathlib import Path

from tukur.agent.spool.format import Span
from tukur.agent.spool.spool import Spool

BOOT = "11111111-2222-3333-4444-555555555555"
OTHER_BOOT = "22222222-2222-3333-4444-555555555555"
SECOND = 10**9
WALL = 1_700_000_000 * SECOND


def span(number: int, boot: str = BOOT) -> Span:
    """Of the ten-second block of this number."""
    first = number * 10 * SECOND
    return Span(boot, first, first + 9 * SECOND, WALL + first, WALL + first + 9 * SECOND, 10)


def put(spool: Spool, *numbers: int, size: int = 100) -> None:
    """Blocks of these numbers, which are also how their data begins."""
    for number in numbers:
        spool.put(span(number), b"%06d" % number + bytes(size - 6))


def segments(folder: Path) -> list[Path]:
    """The files of records, the oldest first."""
    return sorted(folder.glob("*.seg"))
