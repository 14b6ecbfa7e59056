"""Settings of a hub."""

from dataclasses import dataclass, field
from pathlib import Path

from tukur.hub.cloud.settings import GoogleSettings
from tukur.hub.oidc.settings import OidcSettings
from tukur.hub.store.backends.address import ServerAddress
from tukur.hub.store.maintenance.retention_policy import RetentionPolicy
from tukur.hub.tls.settings import TlsSettings
from tukur.protocol.messages import HostId

Enrolled = tuple[HostId, bytes, str]
"""(host_id, the host's public Ed25519 key of 32 bytes, name)."""


@dataclass(frozen=True, slots=True)
class HubSettings:
    """Fixed while the hub runs."""

    data_dir: Path
    """Directory of the keys and of the embedded database."""
    database: ServerAddress | None = None
    """Database server; None: the embedded database."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 8787
    """0: chosen by the kernel."""
    allowed_hosts: tuple[str, ...] = ()
    """Additional accepted Host names, without port."""
    base_path: str = ""
    """The path that a proxy serves the hub under, such as ``/tukur``; empty: none."""
    tls: TlsSettings = field(default_factory=TlsSettings)
    """Default: plain HTTP, for this machine only."""
    installer: Path | None = None
    """Directory of the files that ``/install.sh`` installs on other machines; None: none is served."""
    oidc: OidcSettings | None = None
    """The OpenID provider for signing in; None: none."""
    google: GoogleSettings | None = None
    """Virtual machines of Google that may join by their identity; None: none."""
    enrol: tuple[Enrolled, ...] = ()
    """Hosts that are enrolled at start."""
    reason_needed: bool = False
    """Whether orders without a reason are refused."""
    keep: RetentionPolicy = field(default_factory=RetentionPolicy)
    """Retention policy."""
