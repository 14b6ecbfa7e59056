"""The texts that are signed, and their keys: Ed25519, no I/O."""

import hashlib
from collections.abc import Sequence

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from tukur.protocol.messages import Successor

_HELLO = b"tukur hello v1\0"
_BOUND_HELLO = b"tukur hello v2\0"
_JOIN = b"tukur join v1\0"
_INSTANCE_JOIN = b"tukur instance join v1\0"
_ROTATE = b"tukur rotate v1\0"
_SUCCESSOR = b"tukur order key v1\0"
_AUTHORITIES = b"tukur authorities v1\0"
_ORDER = b"tukur order v1\0"


def hello_text(nonce: bytes, host_id: str, certificate: bytes = b"") -> bytes:
    """What a host signs to prove its key: fresh by the hub's nonce, bound to its own and the hub's identity.

    `certificate`: SHA-256 of the certificate that the agent sees; empty: a connection within one machine.
    A proxy that ends TLS between the two presents another one, and cannot pass the proof on.
    """
    if not certificate:
        return _HELLO + nonce + host_id.encode()
    return _BOUND_HELLO + nonce + certificate + host_id.encode()


def join_text(nonce: bytes, certificate: bytes, public: bytes, secret: bytes) -> bytes:
    """What a new host signs by its new key, over the token's secret: both are one person's."""
    return _JOIN + nonce + _lengthened(certificate) + public + secret


def instance_audience(nonce: bytes, certificate: bytes) -> str:
    """For whom a machine's identity token is made: this connection to this hub, and nobody else.

    `nonce`: the hub's challenge; `certificate`: SHA-256 of the hub's; empty: a connection within one machine.
    """
    return f"tukur:{certificate.hex() or 'local'}:{nonce.hex()}"


def instance_join_text(nonce: bytes, certificate: bytes, public: bytes, token: str) -> bytes:
    """What a virtual machine signs by its new key, over its identity token."""
    return _INSTANCE_JOIN + nonce + _lengthened(certificate) + public + token.encode()


def rotate_text(nonce: bytes, certificate: bytes, host_id: str, public: bytes) -> bytes:
    """What a host signs by its old key and by the new one, `public`."""
    return _ROTATE + nonce + _lengthened(certificate) + public + host_id.encode()


def authorities_text(host_id: str, authorities: Sequence[bytes]) -> bytes:
    """What the hub signs by its order key: whose certificates a host shall take for the hub's, as DER."""
    return _AUTHORITIES + host_id.encode() + b"".join(hashlib.sha256(one).digest() for one in authorities)


def _lengthened(text: bytes) -> bytes:
    return bytes([len(text)]) + text


def order_text(body: bytes) -> bytes:
    """What the hub signs of an order: the exact bytes of the body, in a domain of its own."""
    return _ORDER + body


def sign(key: bytes, text: bytes) -> bytes:
    """The 64-byte signature by the 32-byte secret `key`."""
    return SigningKey(key).sign(text).signature


def verify(public: bytes, text: bytes, signature: bytes) -> bool:
    """Whether `signature` is of `text` by the owner of the 32-byte `public` key."""
    try:
        VerifyKey(public).verify(text, signature)
    except (BadSignatureError, ValueError, TypeError):
        return False
    return True


def new_key() -> bytes:
    """A new 32-byte secret key."""
    return bytes(SigningKey.generate())


def public_key(key: bytes) -> bytes:
    """The public half of a secret key, 32 bytes."""
    return bytes(SigningKey(key).verify_key)


def successor_text(old: bytes, new: bytes) -> bytes:
    """What an order key signs to name the one that comes after it; public halves."""
    return _SUCCESSOR + old + new


def follow(pinned: bytes, succession: Sequence[Successor]) -> bytes:
    """The newest key that a pinned one leads to, each signed by the one before it."""
    for step in succession:
        if step.old == pinned and verify(pinned, successor_text(step.old, step.new), step.signature):
            pinned = step.new
    return pinned
