"""How a hub's certificate is verified: there is no way not to."""

import hashlib
import ssl
from dataclasses import dataclass
from typing import Any

from websockets.asyncio.client import ClientConnection

_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class Trust:
    """By what a hub is known."""

    authorities: tuple[bytes, ...] | None
    """Certificates as DER; None: the authorities of the system."""
    name: str = ""
    """What its certificate is made out to; empty: the host of its address."""

    def context(self) -> ssl.SSLContext:
        """For one connection. Raises ssl.SSLError where an authority is no certificate."""
        if self.authorities is None:
            context = ssl.create_default_context()
        else:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            # What is pinned is enough, be it a root or not.
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            context.load_verify_locations(cadata=b"".join(self.authorities))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context


def parse_pem(text: str) -> list[bytes]:
    """The certificates of a PEM text, as DER. Raises ValueError where there is none."""
    pieces = [piece.partition(_END)[0] for piece in text.split(_BEGIN)[1:]]
    if not pieces:
        raise ValueError(f"no {_BEGIN}")
    return [ssl.PEM_cert_to_DER_cert(f"{_BEGIN}{piece}{_END}\n") for piece in pieces]


def tls_options(uri: str, trust: Trust) -> dict[str, Any]:
    """For ``websockets.connect``: how a hub at this address is verified; none within this machine."""
    if not uri.startswith("wss:"):
        return {}
    return {"ssl": trust.context(), "server_hostname": trust.name or None}


def seen(socket: ClientConnection) -> bytes:
    """SHA-256 of the certificate at the other end; empty where there is no TLS."""
    tls: ssl.SSLObject | None = socket.transport.get_extra_info("ssl_object")
    certificate = tls.getpeercert(binary_form=True) if tls is not None else None
    return hashlib.sha256(certificate).digest() if certificate else b""
