"""How much a benchmark does."""

from enum import Enum
from typing import TypeVar

Choice = TypeVar("Choice")


class Size(Enum):
    """smallest: walks through every part once, in seconds, and its figures mean nothing; quick: ends within
    45 seconds, with rougher figures; full: what is published."""

    SMALLEST = "smallest"
    QUICK = "quick"
    FULL = "full"

    def of(self, smallest: Choice, quick: Choice, full: Choice) -> Choice:
        """The one of the three that belongs to this size."""
        return {Size.SMALLEST: smallest, Size.QUICK: quick, Size.FULL: full}[self]
