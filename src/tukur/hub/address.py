"""The addresses of this hub, written to its data directory for the other commands."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from tukur.files import write_secret
from tukur.hub.network import LOCAL, bracketed, own_names
from tukur.hub.settings import HubSettings

_FILE = "address.json"


@dataclass(frozen=True, slots=True)
class HubAddress:
    """Of the hub that runs, or ran last, on a data directory."""

    url: str = "http://127.0.0.1:8787"
    """For a browser on this machine."""
    join: str = ""
    """For the agents of other machines; empty: they cannot reach it."""
    trust: Literal["", "pinned", "system"] = ""
    """Whom they trust: the hub's authority, or those of their system; empty: there is no TLS."""
    ca: str = ""
    """The file of that authority, where it is pinned."""


def address_of(settings: HubSettings, names: tuple[str, ...] = ()) -> HubAddress:
    """Where a hub with these settings is reached; `names`: those of its certificate, where it was given."""
    tls = settings.tls
    own = own_names(settings.host, settings.allowed_hosts)
    called = next((name for name in (*settings.allowed_hosts, *names) if "*" not in name), None)
    elsewhere = called or next((name for name in own if name not in LOCAL), None)
    if tls.proxied is not None:
        url = f"https://{called or 'localhost'}"
        return HubAddress(url, url, *_trust(settings))
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host.strip("[]"))  # noqa: S104
    if tls.certificate is not None and called:
        here = called
    url = f"{'https' if tls.encrypted else 'http'}://{bracketed(here)}:{settings.port}"
    if not tls.encrypted:
        return HubAddress(url)
    return HubAddress(url, f"https://{bracketed(elsewhere or here)}:{settings.port}", *_trust(settings))


def _trust(settings: HubSettings) -> tuple[Literal["pinned", "system"], str]:
    if settings.tls.own:
        return "pinned", str(settings.data_dir / "tls" / "ca.pem")
    return ("pinned", str(settings.tls.ca)) if settings.tls.ca else ("system", "")


def announce(folder: Path, address: HubAddress) -> None:
    """Keeps it. Raises OSError."""
    write_secret(folder / _FILE, json.dumps(asdict(address)).encode())


def withdraw(folder: Path) -> None:
    """Forgets it. Raises OSError."""
    (folder / _FILE).unlink(missing_ok=True)


def announced(folder: Path) -> HubAddress | None:
    """What was kept; None: nothing, or nothing that can be read."""
    try:
        return HubAddress(**json.loads((folder / _FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
