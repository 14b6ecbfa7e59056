"""The address of a hub, as a person gives it and as a connection needs it."""

from urllib.parse import urlsplit

_LOCAL = ("127.0.0.1", "::1", "localhost")


class HubAddressError(Exception):
    """The address cannot be used. The text says what was found and what was expected."""


def hub_uri(hub: str) -> str:
    """The WebSocket address of a hub given as http(s)://host[:port][/path]. Raises HubAddressError.

    Plain HTTP is accepted for this machine only: nothing leaves it unencrypted.
    """
    parts = urlsplit(hub)
    if parts.scheme not in ("http", "https") or not parts.hostname or "?" in hub or "#" in hub:
        raise HubAddressError(f"hub address {hub!r}; https://HOST[:PORT][/PATH] expected")
    if parts.scheme == "http" and parts.hostname not in _LOCAL:
        raise HubAddressError(
            f"hub address {hub!r} is not encrypted; https:// is needed to reach another machine"
        )
    return f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}{parts.path.rstrip('/')}/agent"


def is_this_machine(uri: str) -> bool:
    """Whether the address names this machine by its loopback interface."""
    return urlsplit(uri).hostname in _LOCAL
