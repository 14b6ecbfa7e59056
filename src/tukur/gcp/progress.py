"""Who hears how far it is."""

from typing import Protocol


class Progress(Protocol):
    """Hears of each step."""

    def begin(self, number: int, total: int, what: str) -> None:
        """The so-manieth step begins."""

    def waiting(self, seconds: float) -> None:
        """Google has been working on it for so long."""

    def done(self) -> None:
        """The step is done."""
