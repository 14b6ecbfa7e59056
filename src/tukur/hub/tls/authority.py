"""The hub's own certificate authority: creates certificates, touches no files.

ECDSA on P-256, since browsers do not support Ed25519. Each authority has a random part in its name, so that
an old one and its successor differ by name.
"""

import base64
import datetime
import hashlib
import ipaddress
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_DAYS = 3650
SERVER_DAYS = 90
RENEW_DAYS = 30
"""A server certificate is renewed when this many days are left."""
_BACKDATED = datetime.timedelta(hours=1)
"""Start of validity before now: the clock of a joining machine may be behind."""


class CertificateError(Exception):
    """A certificate or key cannot be used. The message says what was found and what was expected."""


@dataclass(frozen=True, slots=True)
class Authority:
    """The signing authority, and its predecessor as long as some agents may trust only that."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    cross_signed: x509.Certificate | None = None
    """The same key and name, signed by the predecessor: the path for clients that trust only that."""
    previous: x509.Certificate | None = None

    @property
    def roots(self) -> list[x509.Certificate]:
        """The trust anchors for agents, the newest first."""
        return [self.certificate, *([self.previous] if self.previous else [])]

    @property
    def chain(self) -> list[x509.Certificate]:
        """The intermediate certificates that a server sends."""
        return [self.cross_signed] if self.cross_signed else []


def fingerprint(certificate: x509.Certificate) -> bytes:
    """SHA-256 of the certificate, 32 bytes."""
    return hashlib.sha256(der(certificate)).digest()


def public_key_pin(certificate: x509.Certificate) -> str:
    """SHA-256 of its public key as curl's --pinnedpubkey and RFC 7469 write it, in base64."""
    public = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return base64.b64encode(hashlib.sha256(public).digest()).decode()


def der(certificate: x509.Certificate) -> bytes:
    """The certificate in DER."""
    return certificate.public_bytes(serialization.Encoding.DER)


def pem(certificates: Sequence[x509.Certificate]) -> bytes:
    """Certificates in PEM, concatenated."""
    return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates)


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A private key in PEM, not encrypted: the file's mode protects it."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def new_authority(now: datetime.datetime) -> Authority:
    """A new self-signed authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"tukur hub {secrets.token_hex(4)}")])
    return Authority(key, _authority_certificate(key, name, key, name, now))


def next_authority(old: Authority, now: datetime.datetime) -> Authority:
    """A successor, cross-signed so that clients that trust `old` trust it as well."""
    new = new_authority(now)
    subject = new.certificate.subject
    cross_signed = _authority_certificate(new.key, subject, old.key, old.certificate.subject, now)
    return Authority(new.key, new.certificate, cross_signed, old.certificate)


def without_previous(authority: Authority) -> Authority:
    """The same authority without its predecessor."""
    return Authority(authority.key, authority.certificate)


def _authority_certificate(
    key: ec.EllipticCurvePrivateKey,
    subject: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    now: datetime.datetime,
) -> x509.Certificate:
    return (
        _builder(key, subject, issuer, now, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .add_extension(_usage(sign=False), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
        )
        .sign(issuer_key, hashes.SHA256())
    )


def new_server(
    authority: Authority, names: Sequence[str], now: datetime.datetime
) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    """A server key and certificate for these names and addresses."""
    key = ec.generate_private_key(ec.SECP256R1())
    # The names are in the extension: a common name is limited to 64 characters.
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tukur hub")])
    certificate = (
        _builder(key, subject, authority.certificate.subject, now, SERVER_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False
        )
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    return key, certificate


def _builder(
    key: ec.EllipticCurvePrivateKey, subject: x509.Name, issuer: x509.Name, now: datetime.datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=sign,
        key_cert_sign=not sign,
        crl_sign=not sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        return x509.DNSName(name)
    except ValueError as error:
        raise CertificateError(f"{name!r} is not a host name; ASCII (or its xn-- form) expected") from error


def names_in(certificate: x509.Certificate) -> list[str]:
    """The names and addresses of a server certificate."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    addresses = extension.get_values_for_type(x509.IPAddress)
    return [*extension.get_values_for_type(x509.DNSName), *(str(address) for address in addresses)]


def needs_renewal(certificate: x509.Certificate, names: Sequence[str], now: datetime.datetime) -> bool:
    """Whether a server certificate expires soon or lacks one of these names."""
    remaining = certificate.not_valid_after_utc - now
    missing = {_normalized(name) for name in names} - {_normalized(name) for name in names_in(certificate)}
    return remaining < datetime.timedelta(days=RENEW_DAYS) or bool(missing)


def _normalized(name: str) -> str:
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name.lower()


def parse_authority(text: bytes) -> Authority:
    """The inverse of :func:`authority_pem`. Raises CertificateError."""
    try:
        key = serialization.load_pem_private_key(text, None)
        certificates = x509.load_pem_x509_certificates(text)
    except (ValueError, TypeError) as error:
        raise CertificateError(f"not a private key and its certificates in PEM: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or len(certificates) not in (1, 3):
        raise CertificateError(
            f"{len(certificates)} certificates; a P-256 key with one or three certificates expected"
        )
    if certificates[0].public_key() != key.public_key():
        raise CertificateError("the certificate does not match the private key")
    return Authority(key, *certificates)


def authority_pem(authority: Authority) -> bytes:
    """Key and certificates as one text, so that one file holds a consistent state."""
    certificates = [authority.certificate, authority.cross_signed, authority.previous]
    return key_pem(authority.key) + pem([certificate for certificate in certificates if certificate])
