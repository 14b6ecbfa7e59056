"""The sources there are, in order of preference, and the choice among them."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from tukur.sources.base import Source, SourceUnavailableError
from tukur.sources.bpf.source import BpfSource
from tukur.sources.module.source import ModuleSource
from tukur.sources.procfs.source import ProcfsSource

log = logging.getLogger(__name__)

SOURCES: tuple[tuple[str, Callable[[], Source]], ...] = (
    ("module", ModuleSource),
    ("bpf", BpfSource),
    ("procfs", ProcfsSource),
)
"""Best first."""


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether one source works on this machine, for this user."""

    name: str
    reason: str
    """Why it does not; empty where it does."""


def choose(name: str | None = None) -> tuple[Source, list[str]]:
    """The source of that name, or the best that works; and why the better ones do not.

    Raises ValueError for a name that no source has, SourceUnavailableError where it does not work here.
    """
    known = [source for source, _ in SOURCES]
    if name is not None and name not in known:
        raise ValueError(f"no source is called {name!r}; there are {', '.join(known)}")
    refused: list[str] = []
    for source, make in SOURCES:
        if name not in (None, source):
            continue
        try:
            return make(), refused
        except SourceUnavailableError as error:
            if name is not None:
                raise SourceUnavailableError(f"source {source}: {error}") from error
            refused.append(f"{source}: {error}")
            log.info("source %s does not work here: %s", source, error)
    raise SourceUnavailableError("no source works here: " + "; ".join(refused))


def availability() -> list[Availability]:
    """Of every source, best first, whether it works; each is opened once for that."""
    found = []
    for name, make in SOURCES:
        try:
            make().close()
            found.append(Availability(name, ""))
        except SourceUnavailableError as error:
            found.append(Availability(name, str(error)))
    return found
