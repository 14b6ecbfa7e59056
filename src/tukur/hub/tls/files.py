"""The hub's authority and its server certificate on disk: folder ``tls`` of the data directory."""

import datetime
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509

from tukur.files import write_secret
from tukur.hub.tls import authority
from tukur.hub.tls.authority import Authority, CertificateError


class TlsFolder:
    """All methods raise CertificateError if a file cannot be read, written or parsed."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / "tls"
        self._authority = self._folder / "authority.pem"
        self.server = self._folder / "server.pem"
        """The server's key and certificate, and the intermediate certificates."""
        self.public = self._folder / "ca.pem"
        """The trust anchors, for browsers and other clients that verify the hub."""

    def authority(self, now: datetime.datetime) -> Authority:
        """The authority; created if there is none."""
        try:
            if self._authority.exists():
                return authority.parse_authority(self._authority.read_bytes())
            created = authority.new_authority(now)
        except CertificateError as error:
            raise CertificateError(f"{self._authority}: {error}") from error
        except OSError as error:
            raise _inaccessible(self._authority, error) from error
        self.save(created)
        return created

    def save(self, changed: Authority) -> None:
        """Replaces the authority."""
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            write_secret(self._authority, authority.authority_pem(changed))
            write_secret(self.public, authority.pem(changed.roots))
        except OSError as error:
            raise _inaccessible(self._folder, error) from error

    def certificate(
        self, signer: Authority, names: Sequence[str], now: datetime.datetime
    ) -> tuple[x509.Certificate, bool]:
        """The server certificate, and whether it was renewed (missing, due, or of another authority)."""
        current = self._current_certificate()
        if (
            current is not None
            and _is_issued_by(current, signer)
            and not authority.needs_renewal(current, names, now)
        ):
            return current, False
        key, renewed = authority.new_server(signer, names, now)
        content = authority.key_pem(key) + authority.pem([renewed, *signer.chain])
        try:
            write_secret(self.server, content)
        except OSError as error:
            raise _inaccessible(self.server, error) from error
        return renewed, True

    def _current_certificate(self) -> x509.Certificate | None:
        try:
            return x509.load_pem_x509_certificate(self.server.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError:
            # An unreadable certificate is simply replaced: nothing depends on it.
            return None
        except OSError as error:
            raise _inaccessible(self.server, error) from error


def _is_issued_by(certificate: x509.Certificate, signer: Authority) -> bool:
    return certificate.issuer == signer.certificate.subject


def load_certificates(path: Path) -> list[x509.Certificate]:
    """The certificates of a PEM file, the server's own first. Raises CertificateError."""
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise _inaccessible(path, error) from error
    except ValueError as error:
        raise CertificateError(f"{path} is not a certificate; PEM expected: {error}") from error


def _inaccessible(path: Path, error: OSError) -> CertificateError:
    return CertificateError(f"cannot access {path}: {error.strerror}")
