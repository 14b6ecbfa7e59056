"""Where the hub's certificates come from."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """Where the certificates come from: one of the three, or none where the hub speaks plain HTTP."""

    own: bool = False
    """From an authority of the hub's own."""
    certificate: Path | None = None
    """Given, with what leads to its authority."""
    key: Path | None = None
    proxied: Path | None = None
    """That of the proxy which ends TLS before the hub."""
    ca: Path | None = None
    """The authority of what is given, where agents are to trust it and not those of their system."""

    @property
    def encrypted(self) -> bool:
        """Whether the hub itself speaks TLS."""
        return self.own or self.certificate is not None

    @property
    def given(self) -> bool:
        """Whether people reach the hub by a certificate that its administrator chose for its name."""
        return self.certificate is not None or self.proxied is not None

    @property
    def shown(self) -> bool:
        """Whether browsers and agents reach the hub by TLS, whoever speaks it."""
        return self.encrypted or self.proxied is not None
