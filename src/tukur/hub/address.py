"""The hub's addresses, written to its data directory for other commands."""

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from tukur.files import write_secret
from tukur.hub.network import LOCAL, bracketed, own_names
from tukur.hub.settings import HubSettings

log = logging.getLogger(__name__)

_FILE = "address.json"


@dataclass(frozen=True, slots=True)
class HubAddress:
    """Addresses of the hub that runs, or ran last, on a data directory."""

    url: str = "http://127.0.0.1:8787"
    """For a browser on this machine."""
    join: str = ""
    """For agents on other machines; empty: they cannot reach it."""
    trust: Literal["", "pinned", "system"] = ""
    """What they trust: the pinned CA, or the CAs of their system; empty: no TLS."""
    ca: str = ""
    """File of the pinned CA."""
    installer: str = ""
    """Directory of the installer that it serves; empty: it serves none."""
    google: bool = False
    """Whether virtual machines of Google may join by their identity."""


def address_of(settings: HubSettings, names: tuple[str, ...] = ()) -> HubAddress:
    """The addresses of a hub with these settings; `names`: the names in its certificate."""
    tls = settings.tls
    rest: tuple[str, bool] = (str(settings.installer or ""), settings.google is not None)
    own = own_names(settings.host, settings.allowed_hosts)
    public_name = next((name for name in (*settings.allowed_hosts, *names) if "*" not in name), None)
    remote_name = public_name or next((name for name in own if name not in LOCAL), None)
    if tls.proxy_certificate is not None:
        url = f"https://{public_name or 'localhost'}{settings.base_path}"
        return HubAddress(url, url, *_trust(settings), *rest)
    local_name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host.strip("[]"))  # noqa: S104
    if tls.certificate is not None and public_name:
        local_name = public_name
    url = f"{'https' if tls.encrypted else 'http'}://{bracketed(local_name)}:{settings.port}{settings.base_path}"
    if not tls.encrypted:
        return HubAddress(url)
    join = f"https://{bracketed(remote_name or local_name)}:{settings.port}{settings.base_path}"
    return HubAddress(url, join, *_trust(settings), *rest)


def _trust(settings: HubSettings) -> tuple[Literal["pinned", "system"], str]:
    if settings.tls.own_authority:
        return "pinned", str(settings.data_dir / "tls" / "ca.pem")
    return ("pinned", str(settings.tls.ca)) if settings.tls.ca else ("system", "")


def write_address(folder: Path, address: HubAddress) -> None:
    """Writes the addresses. Raises OSError."""
    write_secret(folder / _FILE, json.dumps(asdict(address)).encode())


def write_own_address(settings: HubSettings, names: tuple[str, ...]) -> None:
    """Writes those of a hub, which works without them too: a failure is logged."""
    try:
        write_address(settings.data_dir, address_of(settings, names))
    except OSError as error:
        log.error("cannot write this hub's address for other commands: %s", error)


def remove_address(folder: Path) -> None:
    """Deletes them. Raises OSError."""
    (folder / _FILE).unlink(missing_ok=True)


def read_address(folder: Path) -> HubAddress | None:
    """The written addresses; None: missing or not readable."""
    try:
        return HubAddress(**json.loads((folder / _FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
