"""The machine's half of joining and of changing its key, sans-I/O: the answer to a hub's challenge."""

from tukur.protocol import auth, messages
from tukur.protocol.hub_side import pack


def join(
    challenge: messages.Challenge, *, secret: bytes, key: bytes, hostname: str, certificate: bytes
) -> bytes:
    """The bytes that join with a new secret `key`; `certificate`: SHA-256 of the one that the hub shows."""
    public = auth.public_key(key)
    text = auth.join_text(challenge.nonce, certificate, public, secret)
    return pack(
        messages.Join(
            protocol=messages.PROTOCOL_VERSION,
            secret=secret,
            public_key=public,
            signature=auth.sign(key, text),
            hostname=hostname,
            certificate=certificate,
        )
    )


def instance_join(
    challenge: messages.Challenge, *, token: str, key: bytes, hostname: str, certificate: bytes
) -> bytes:
    """The same by the machine's identity token, for the audience ``auth.instance_audience``."""
    public = auth.public_key(key)
    text = auth.instance_join_text(challenge.nonce, certificate, public, token)
    return pack(
        messages.InstanceJoin(
            protocol=messages.PROTOCOL_VERSION,
            token=token,
            public_key=public,
            signature=auth.sign(key, text),
            hostname=hostname,
            certificate=certificate,
        )
    )


def rotate(
    challenge: messages.Challenge, *, host_id: str, old: bytes, new: bytes, certificate: bytes
) -> bytes:
    """The bytes that put the secret key `new` in place of `old`."""
    public = auth.public_key(new)
    text = auth.rotate_text(challenge.nonce, certificate, host_id, public)
    return pack(
        messages.Rotate(
            protocol=messages.PROTOCOL_VERSION,
            host_id=host_id,
            public_key=public,
            signature=auth.sign(old, text),
            proof=auth.sign(new, text),
            certificate=certificate,
        )
    )
