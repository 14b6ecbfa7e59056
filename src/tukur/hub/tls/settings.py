"""Where the hub's certificates come from."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """One of `own_authority`, `certificate` and `proxy_certificate`; none of them: plain HTTP."""

    own_authority: bool = False
    """Issue certificates from the hub's own authority."""
    certificate: Path | None = None
    """The server certificate with its intermediate certificates."""
    key: Path | None = None
    proxy_certificate: Path | None = None
    """The certificate of the reverse proxy that terminates TLS."""
    ca: Path | None = None
    """The CA of that certificate, if agents shall trust it instead of the CAs of their systems."""

    @property
    def kind(self) -> str:
        """Which of them it is: a running hub cannot change it."""
        if self.own_authority:
            return "own authority"
        if self.certificate is not None:
            return "certificate"
        return "proxy" if self.proxy_certificate is not None else "none"

    @property
    def encrypted(self) -> bool:
        """Whether the hub itself speaks TLS."""
        return self.own_authority or self.certificate is not None

    @property
    def externally_issued(self) -> bool:
        """Whether clients see a certificate that the administrator provided."""
        return self.certificate is not None or self.proxy_certificate is not None

    @property
    def https(self) -> bool:
        """Whether clients use TLS, terminated by the hub or by a proxy."""
        return self.encrypted or self.proxy_certificate is not None
