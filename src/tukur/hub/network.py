"""Names and addresses of this machine, and loopback detection."""

import contextlib
import functools
import ipaddress
import socket
import threading

LOCAL = ("localhost", "127.0.0.1", "::1")
RESOLVER_S = 10.0
"""How long the resolver of this machine is waited for."""
_WILDCARD = ("0.0.0.0", "::")  # noqa: S104
_PROBES = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
"""Documentation addresses (RFC 5737, RFC 3849): nothing is ever sent there."""


@functools.lru_cache
def own_names(listen_host: str, extra: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Names and addresses, without port and brackets, under which a hub that listens there is reachable.

    Used to prevent DNS rebinding. Cached: it is asked for each request.
    """
    names = [*LOCAL]
    listen_host = listen_host.strip("[]")
    if not is_loopback(listen_host):
        names += [listen_host] if listen_host not in _WILDCARD else _addresses()
        names += _machine_names()
    names += [name.strip("[]") for name in extra]
    return tuple(dict.fromkeys(name.lower() for name in names if name))


@functools.lru_cache
def _machine_names() -> tuple[str, ...]:
    """The machine's name, and the one that its resolver gives it within RESOLVER_S."""
    found = [socket.gethostname()]

    def ask() -> None:
        with contextlib.suppress(OSError, UnicodeError):
            found.append(socket.getfqdn())

    # In a thread that keeps nothing waiting: a resolver may hang for ever.
    asking = threading.Thread(target=ask, name="resolver", daemon=True)
    asking.start()
    asking.join(RESOLVER_S)
    # The kernel takes any bytes for a host's name, which no browser would.
    return tuple(name for name in found if name.isascii() and name.isprintable())


def _addresses() -> list[str]:
    """Source addresses of this machine's default routes."""
    found = []
    for family, target in _PROBES:
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((target, 9))
            found.append(str(probe.getsockname()[0]))
    return found


def bracketed(name: str) -> str:
    """The name or address as in a URL: IPv6 in brackets."""
    try:
        return f"[{name}]" if ipaddress.ip_address(name).version == 6 else name
    except ValueError:
        return name


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
