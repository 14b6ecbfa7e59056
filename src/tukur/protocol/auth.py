"""The texts that are signed, and their keys: Ed25519, no I/O."""

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

_HELLO = b"tukur hello v1\0"
_ORDER = b"tukur order v1\0"


def hello_text(nonce: bytes, host_id: str) -> bytes:
    """What a host signs to prove its key: fresh by the hub's nonce, bound to its own identity."""
    return _HELLO + nonce + host_id.encode()


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
