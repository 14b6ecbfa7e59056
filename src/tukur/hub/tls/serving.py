"""The certificate of a running hub: renewed or reloaded without a restart."""

import datetime
import logging
import ssl
import threading
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
"""For TLS 1.2: forward secrecy and AEAD only. All ciphers of TLS 1.3 are acceptable."""


@dataclass(frozen=True, slots=True)
class ActiveCertificates:
    """The certificates in use at one time."""

    server: x509.Certificate
    roots: tuple[x509.Certificate, ...]
    """The trust anchors for agents; empty: the CAs of their systems."""


class Tls:
    """The current certificate, the previous one, and the trust anchors for agents."""

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
        self._active: ActiveCertificates | None = None
        self._previous_fingerprint: bytes | None = None
        self._mtimes: tuple[int, ...] = ()
        self._lock = threading.Lock()
        self.context: ssl.SSLContext | None = _context() if settings.encrypted else None
        """For the listening socket; None: plain HTTP."""
        self.refresh()

    @property
    def accepted(self) -> frozenset[bytes]:
        """Fingerprints of the certificates that an agent may have seen when it connected.

        The previous one is included: a connection may have begun just before the renewal. Empty bytes: a
        loopback connection without TLS.
        """
        current = {authority.fingerprint(self._active.server)} if self._active else set()
        previous = {self._previous_fingerprint} if self._previous_fingerprint else set()
        return frozenset(current | previous | (set() if self.settings.encrypted else {b""}))

    @property
    def roots(self) -> tuple[x509.Certificate, ...]:
        """The trust anchors for agents, the newest first; empty: the CAs of their systems, or no TLS."""
        return self._active.roots if self._active else ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names and addresses in the certificate."""
        return tuple(authority.names_in(self._active.server)) if self._active else ()

    def refresh(self) -> bool:
        """Renews or reloads the certificates; whether they or the trust anchors have changed.

        Raises CertificateError: then the current ones stay in use.
        """
        with self._lock:
            return self._refresh()

    def change(self, settings: TlsSettings, names: Sequence[str]) -> None:
        """Other files, or other names, for a certificate of the same kind.

        Raises CertificateError: then nothing was changed.
        """
        with self._lock:
            before = self.settings, self._names, self._mtimes
            if settings != self.settings:
                self._mtimes = ()
            self.settings, self._names = settings, names
            try:
                self._refresh()
            except CertificateError:
                self.settings, self._names, self._mtimes = before
                raise

    def _refresh(self) -> bool:
        found = self._issue() if self.settings.own_authority else self._read_files()
        if found is None or found == self._active:
            return False
        if self._active is not None:
            if found.server != self._active.server:
                self._previous_fingerprint = authority.fingerprint(self._active.server)
            log.info("the hub has a new certificate, valid until %s", found.server.not_valid_after_utc)
        self._active = found
        return True

    def _issue(self) -> ActiveCertificates:
        now = self._clock()
        signer = self._folder.authority(now)
        server, renewed = self._folder.certificate(signer, self._names, now)
        if renewed or self._active is None:
            self._load(self._folder.server, None)
        return ActiveCertificates(server, tuple(signer.roots))

    def _read_files(self) -> ActiveCertificates | None:
        path = self.settings.certificate or self.settings.proxy_certificate
        if path is None:
            return None
        files = [file for file in (path, self.settings.key, self.settings.ca) if file is not None]
        mtimes = tuple(_mtime_ns(file) for file in files)
        if self._active is not None and mtimes == self._mtimes:
            return self._active
        server = load_certificates(path)[0]
        roots = tuple(load_certificates(self.settings.ca)) if self.settings.ca else ()
        if self.settings.certificate is not None:
            self._load(path, self.settings.key)
        # Only now: if just one file of the pair was replaced so far, the next refresh tries again.
        self._mtimes = mtimes
        return ActiveCertificates(server, roots)

    def _load(self, certificate: Path, key: Path | None) -> None:
        if self.context is None:
            return
        try:
            # Tried in another context first: a key that does not match must not affect the one in use.
            _context().load_cert_chain(certificate, key, password=_no_password)
            self.context.load_cert_chain(certificate, key, password=_no_password)
        except (OSError, CertificateError) as error:
            where = f"{certificate}" if key is None else f"{certificate} and {key}"
            raise CertificateError(
                f"cannot load {where}; a certificate and its private key expected: {error}"
            ) from error


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    return context


def _no_password() -> str:
    # Otherwise OpenSSL prompts on the terminal.
    raise CertificateError("the private key is encrypted; one without a password expected")


def _mtime_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError as error:
        raise CertificateError(f"cannot access {path}: {error.strerror}") from error
