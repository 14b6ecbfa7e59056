"""The hub's authority and its server's certificate on the disk: folder ``tls`` of the data directory."""

import datetime
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509

from tukur.files import write_secret
from tukur.hub.tls import authority
from tukur.hub.tls.authority import Authority, CertificateError


class TlsFolder:
    """All methods raise CertificateError, where a file cannot be read, written or understood."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / "tls"
        self._authority = self._folder / "authority.pem"
        self.server = self._folder / "server.pem"
        """The server's key, its certificate, and what leads to the authority."""
        self.public = self._folder / "ca.pem"
        """What may be trusted: for a browser, or whoever else wants to verify the hub."""

    def authority(self, now: datetime.datetime) -> Authority:
        """The authority; made where there is none."""
        try:
            if self._authority.exists():
                return authority.parse_authority(self._authority.read_bytes())
            made = authority.new_authority(now)
        except CertificateError as error:
            raise CertificateError(f"{self._authority}: {error}") from error
        except OSError as error:
            raise _unusable(self._authority, error) from error
        self.keep(made)
        return made

    def keep(self, changed: Authority) -> None:
        """Replaces the authority."""
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            write_secret(self._authority, authority.authority_text(changed))
            write_secret(self.public, authority.pem(changed.roots))
        except OSError as error:
            raise _unusable(self._folder, error) from error

    def certificate(
        self, signer: Authority, names: Sequence[str], now: datetime.datetime
    ) -> tuple[x509.Certificate, bool]:
        """The server's certificate, and whether it was made anew: there was none, or it is due, or of another
        authority."""
        current = self._current()
        if current is not None and _is_of(current, signer) and not authority.due(current, names, now):
            return current, False
        key, made = authority.new_server(signer, names, now)
        content = authority.key_pem(key) + authority.pem([made, *signer.chain])
        try:
            write_secret(self.server, content)
        except OSError as error:
            raise _unusable(self.server, error) from error
        return made, True

    def _current(self) -> x509.Certificate | None:
        try:
            return x509.load_pem_x509_certificate(self.server.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError:
            # What cannot be read is made anew: nothing depends on a server's certificate but itself.
            return None
        except OSError as error:
            raise _unusable(self.server, error) from error


def _is_of(certificate: x509.Certificate, signer: Authority) -> bool:
    return certificate.issuer == signer.certificate.subject


def load_certificates(path: Path) -> list[x509.Certificate]:
    """Those of a PEM file, the server's own first. Raises CertificateError."""
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise _unusable(path, error) from error
    except ValueError as error:
        raise CertificateError(f"{path} is not a certificate; PEM expected: {error}") from error


def _unusable(path: Path, error: OSError) -> CertificateError:
    return CertificateError(f"{path} cannot be used: {error.strerror}")
