"""A source that gives way to another when it stops working: its module was removed, its program detached."""

import logging
from collections.abc import Callable

from tukur.records import Departed, TaskArray
from tukur.sources.base import Source, SourceUnavailableError

log = logging.getLogger(__name__)

_FAILURES = 3
"""Readings in a row that fail before another source takes over."""


class FailoverSource:
    """The source that was chosen, as long as it works, then the best of what works."""

    def __init__(self, source: Source, choose: Callable[[], Source]) -> None:
        """`choose`: the best source that works now. Raises SourceUnavailableError."""
        self._source = source
        self._choose = choose
        self._failures = 0

    @property
    def name(self) -> str:
        """That of the source at work."""
        return self._source.name

    @property
    def blind_spots(self) -> tuple[str, ...]:
        """Those of the source at work."""
        return self._source.blind_spots

    def read(self) -> TaskArray:
        """See Source. A failing reading is the caller's to count; the third in a row changes the source."""
        try:
            tasks = self._source.read()
        except (OSError, LookupError, ValueError):
            self._failures += 1
            if self._failures < _FAILURES or not self._change():
                raise
            return self._source.read()
        self._failures = 0
        return tasks

    def collect(self) -> None:
        """See Source."""
        self._source.collect()

    def departed(self, living: TaskArray) -> Departed:
        """See Source."""
        return self._source.departed(living)

    def close(self) -> None:
        """Closes the source at work."""
        self._source.close()

    def _change(self) -> bool:
        """Takes another source where there is one; false: there is none, it is tried again later."""
        self._failures = 0
        before = self._source.name
        # Closed first: what it holds, such as the module's events, is then free for the next.
        self._source.close()
        try:
            self._source = self._choose()
        except SourceUnavailableError as error:
            log.error("source %s fails, and no other works: %s", before, error)
            return False
        log.warning("source %s fails; %s takes over", before, self._source.name)
        return True
