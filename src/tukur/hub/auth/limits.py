"""Rate limit on failed sign-ins, against guessing."""

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable

from tukur.hub.errors import ProblemError

_MAX_CLIENTS = 10_000


class FailureLimit:
    """At most `max_failures` per client within `window_s` seconds; then the client must wait."""

    def __init__(
        self, max_failures: int = 10, window_s: float = 60.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_failures = max_failures
        self._window_s = window_s
        self._clock = clock
        self._failures: OrderedDict[str, list[float]] = OrderedDict()

    def wait_s(self, client: str) -> float:
        """Seconds until this client may try again; 0: now."""
        now = self._clock()
        recent = [failed_s for failed_s in self._failures.get(client, ()) if now - failed_s < self._window_s]
        if len(recent) < self._max_failures:
            return 0.0
        return self._window_s - (now - recent[-self._max_failures])

    def record_failure(self, client: str) -> None:
        """Counts one failure. Memory is bounded: the least recently seen client is dropped."""
        failures = [*self._failures.pop(client, []), self._clock()]
        self._failures[client] = failures[-self._max_failures :]
        if len(self._failures) > _MAX_CLIENTS:
            self._failures.popitem(last=False)

    def undo_failure(self, client: str) -> None:
        """Removes the newest failure: the attempt that it was counted for has succeeded."""
        failures = self._failures.get(client)
        if failures:
            failures.pop()


def rate_limit_key(address: str) -> str:
    """What failures are counted by: the IPv4 address, or the /64 network of an IPv6 address."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def check_limit(limit: FailureLimit, client: str) -> None:
    """Raises ProblemError (429) while this client must wait."""
    wait_s = limit.wait_s(client)
    if wait_s > 0:
        raise ProblemError(
            429,
            "too_many_requests",
            f"too many failures; try again in {math.ceil(wait_s)} s",
            {"Retry-After": str(math.ceil(wait_s))},
        )
