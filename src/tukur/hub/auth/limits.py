"""Rate limit on failed sign-ins, against guessing."""

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable

from tukur.hub.errors import ProblemError

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

    def forgiven(self, client: str) -> None:
        """Takes the newest failure back: it was counted before it was known to be none."""
        failures = self._failures.get(client)
        if failures:
            failures.pop()


def network_of(address: str) -> str:
    """Whom failures are counted for: an address, of IPv6 the network that one customer has."""
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
    """Raises ProblemError (429) where this client must wait."""
    wait_s = limit.wait_s(client)
    if wait_s > 0:
        raise ProblemError(
            429,
            "too_many_requests",
            f"too many failures; try again in {math.ceil(wait_s)} s",
            {"Retry-After": str(math.ceil(wait_s))},
        )
