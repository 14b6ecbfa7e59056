"""Settings of a hub."""

from dataclasses import dataclass, field
from pathlib import Path

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
    """Where the database lies, unless it is a server's, and the keys."""
    database: ServerAddress | None = None
    """None: the embedded one."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 8787
    """0: the system chooses one."""
    allowed_hosts: tuple[str, ...] = ()
    """Further names, without port, that the hub may be called by."""
    tls: TlsSettings = field(default_factory=TlsSettings)
    """What the hub proves itself with; by default it speaks plain HTTP, for this machine only."""
    oidc: OidcSettings | None = None
    """The OpenID provider that people may sign in by."""
    enrol: tuple[Enrolled, ...] = ()
    """Hosts that are admitted from the start on."""
    reason_needed: bool = False
    """Whether an order without a reason is refused."""
    keep: RetentionPolicy = field(default_factory=RetentionPolicy)
    """How long what is kept."""
