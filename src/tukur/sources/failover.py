"""A source that gives way to another when it stops working: its module was removed, its program detached."""

import contextlib
import logging
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

from tukur.records import Departed, TaskArray
from tukur.sources.base import Source, SourceUnavailableError

log = logging.getLogger(__name__)

_FAILURES = 3
"""Calls of one kind in a row that fail before another source takes over."""


T = TypeVar("T")


class _ChangedError(Exception):
    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class FailoverSource:
    """The source that was chosen, as long as it works, then the best of what works."""

    def __init__(self, source: Source, choose: Callable[[], Source]) -> None:
        """`choose`: the best source that works now. Raises SourceUnavailableError."""
        self._source = source
        self._choose = choose
        self._failures: Counter[str] = Counter()

    @property
    def name(self) -> str:
        """That of the source at work."""
        return self._source.name

    @property
    def blind_spots(self) -> tuple[str, ...]:
        """Those of the source at work."""
        return self._source.blind_spots

    def read(self) -> TaskArray:
        """See Source. A failing call is the caller's to count; the third in a row changes the source."""
        try:
            return self._counted("read", self._source.read)
        except _ChangedError:
            return self._source.read()

    def collect(self) -> None:
        """See Source, and read()."""
        with contextlib.suppress(_ChangedError):
            self._counted("collect", self._source.collect)

    def departed(self, living: TaskArray) -> Departed:
        """See Source, and read(). Of the lives that ended before it another source knows nothing."""
        try:
            return self._counted("departed", lambda: self._source.departed(living))
        except _ChangedError as changed:
            raise changed.error from None

    def _counted(self, what: str, call: Callable[[], T]) -> T:
        """Raises _ChangedError where the call failed so often that another source is at work now."""
        try:
            result = call()
        except (OSError, LookupError, ValueError) as error:
            self._failures[what] += 1
            if self._failures[what] < _FAILURES or not self._change():
                raise
            raise _ChangedError(error) from error
        self._failures[what] = 0
        return result

    def close(self) -> None:
        """Closes the source at work."""
        self._source.close()

    def _change(self) -> bool:
        """Takes another source where there is one; false: there is none, it is tried again later."""
        self._failures.clear()
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
