"""The names and addresses of this machine, and which addresses only it can reach."""

import contextlib
import functools
import ipaddress
import socket

LOCAL = ("localhost", "127.0.0.1", "::1")
_ANY = ("0.0.0.0", "::")  # noqa: S104
_ELSEWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
"""Documentation addresses (RFC 5737, RFC 3849): nothing is sent there."""


@functools.lru_cache
def own_names(listens: str, further: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Names and addresses, without port and brackets, that a hub which listens there may be called by.

    A site in a browser cannot make its own name one of these (DNS rebinding). Kept: a resolver may be slow.
    """
    names = [*LOCAL]
    listens = listens.strip("[]")
    if not is_loopback(listens):
        names += [listens] if listens not in _ANY else _addresses()
        with contextlib.suppress(OSError):
            names += [socket.gethostname(), socket.getfqdn()]
    names += [name.strip("[]") for name in further]
    return tuple(dict.fromkeys(name.lower() for name in names if name))


def _addresses() -> list[str]:
    """Those that this machine reaches others from."""
    found = []
    for family, target in _ELSEWHERE:
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((target, 9))
            found.append(str(probe.getsockname()[0]))
    return found


def bracketed(name: str) -> str:
    """As a URL and a Host header write it."""
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
