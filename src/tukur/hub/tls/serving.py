"""What the hub proves itself with, while it runs: certificates renewed and read anew without a restart."""

import datetime
import logging
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from tukur.hub.tls import authority
from tukur.hub.tls.authority import CertificateError
from tukur.hub.tls.files import TlsFolder, load_certificates
from tukur.hub.tls.settings import TlsSettings

log = logging.getLogger(__name__)

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL:!eNULL"
"""Of TLS 1.2: forward secrecy and AEAD only. Those of TLS 1.3 are all good."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What is valid at one time."""

    server: x509.Certificate
    roots: tuple[x509.Certificate, ...]
    """What agents may trust; empty: their system's authorities."""


class Tls:
    """The certificate in use, the one before it, and what agents trust."""

    def __init__(
        self,
        settings: TlsSettings,
        data_dir: Path,
        names: Sequence[str],
        clock: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
    ) -> None:
        """Raises CertificateError."""
        self.settings = settings
        self._folder = TlsFolder(data_dir)
        self._names = names
        self._clock = clock
        self._shown: Shown | None = None
        self._before: bytes | None = None
        self._read_of: tuple[int, ...] = ()
        self.context: ssl.SSLContext | None = _context() if settings.encrypted else None
        """For the listening socket; None: plain HTTP."""
        self.refresh()

    @property
    def accepted(self) -> frozenset[bytes]:
        """Fingerprints of the certificates that an agent may have seen on its way here.

        The one before counts too: a connection may have begun just before it was replaced. Empty bytes: none,
        on a connection within this machine.
        """
        shown = {authority.fingerprint(self._shown.server)} if self._shown else set()
        before = {self._before} if self._before else set()
        return frozenset(shown | before | (set() if self.settings.encrypted else {b""}))

    @property
    def roots(self) -> tuple[x509.Certificate, ...]:
        """What agents are to trust, the newest first; empty: their system's authorities, or no TLS."""
        return self._shown.roots if self._shown else ()

    @property
    def names(self) -> tuple[str, ...]:
        """What the certificate is made out to."""
        return tuple(authority.names_of(self._shown.server)) if self._shown else ()

    def refresh(self) -> bool:
        """Makes or reads what is due; whether the certificate or the authorities are others than before.

        Raises CertificateError: then what was in use stays.
        """
        found = self._own() if self.settings.own else self._given()
        if found is None or found == self._shown:
            return False
        if self._shown is not None:
            if found.server != self._shown.server:
                self._before = authority.fingerprint(self._shown.server)
            log.info("the hub has a new certificate, valid until %s", found.server.not_valid_after_utc)
        self._shown = found
        return True

    def _own(self) -> Shown:
        now = self._clock()
        signer = self._folder.authority(now)
        server, made = self._folder.certificate(signer, self._names, now)
        if made or self._shown is None:
            self._load(self._folder.server, None)
        return Shown(server, tuple(signer.roots))

    def _given(self) -> Shown | None:
        path = self.settings.certificate or self.settings.proxied
        if path is None:
            return None
        files = [one for one in (path, self.settings.key, self.settings.ca) if one is not None]
        read_of = tuple(_changed(one) for one in files)
        if self._shown is not None and read_of == self._read_of:
            return self._shown
        server = load_certificates(path)[0]
        roots = tuple(load_certificates(self.settings.ca)) if self.settings.ca else ()
        if self.settings.certificate is not None:
            self._load(path, self.settings.key)
        # Only now: half a pair of files, written just now, is tried again.
        self._read_of = read_of
        return Shown(server, roots)

    def _load(self, certificate: Path, key: Path | None) -> None:
        if self.context is None:
            return
        try:
            # First into another one: a pair that does not fit leaves the one in use as it is.
            _context().load_cert_chain(certificate, key, password=_no_password)
            self.context.load_cert_chain(certificate, key, password=_no_password)
        except (OSError, CertificateError) as error:
            where = f"{certificate}" if key is None else f"{certificate} and {key}"
            raise CertificateError(
                f"{where} cannot be used; a certificate and its key expected: {error}"
            ) from error


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    return context


def _no_password() -> str:
    # Without this OpenSSL would ask on the terminal.
    raise CertificateError("the key is encrypted; one without a password expected")


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError as error:
        raise CertificateError(f"{path} cannot be used: {error.strerror}") from error
