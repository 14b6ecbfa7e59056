"""The interface of a source: what produces the task records of one snapshot."""

from typing import Protocol

from tukur.records import Departed, TaskArray


class SourceUnavailableError(Exception):
    """This source cannot work on this machine. The text says what was found and what is needed."""


class Source(Protocol):
    """Reads every process of this machine. Not thread-safe; one owner."""

    @property
    def name(self) -> str:
        """module, bpf or procfs."""
        ...

    @property
    def blind_spots(self) -> tuple[str, ...]:
        """What it cannot see, a sentence each, for the page to show."""
        ...

    def read(self) -> TaskArray:
        """Every process now: one row each, sorted by pid, threads already added up."""
        ...

    def collect(self) -> None:
        """Takes out of the kernel what happened so far, for departed(); cheap where nothing did.

        Called a few times between two readings, so that the kernel need not hold much. Raises OSError.
        """
        ...

    def departed(self, living: TaskArray) -> Departed:
        """What ended since the last call. `living`: what read() just gave.

        A life that is still among the living (a zombie, or one that died after that reading) waits for
        the next call. Raises OSError where the kernel fails.
        """
        ...

    def close(self) -> None:
        """Give back what the kernel holds for it."""
        ...
