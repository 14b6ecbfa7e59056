"""A brake on guessing."""

import time
from collections import OrderedDict
from collections.abc import Callable

_CLIENTS = 10_000


class FailureLimit:
    """At most `tries` failures within `window_s` seconds for each client, then it must wait."""

    def __init__(
        self, tries: int = 10, window_s: float = 60.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._tries = tries
        self._window_s = window_s
        self._clock = clock
        self._failures: OrderedDict[str, list[float]] = OrderedDict()

    def wait_s(self, client: str) -> float:
        """Seconds until this client may try again; 0: now."""
        now = self._clock()
        recent = [at for at in self._failures.get(client, ()) if now - at < self._window_s]
        if len(recent) < self._tries:
            return 0.0
        return self._window_s - (now - recent[-self._tries])

    def failed(self, client: str) -> None:
        """Counts one failure. What is remembered is bounded: the client longest silent is forgotten."""
        failures = [*self._failures.pop(client, []), self._clock()]
        self._failures[client] = failures[-self._tries :]
        if len(self._failures) > _CLIENTS:
            self._failures.popitem(last=False)
