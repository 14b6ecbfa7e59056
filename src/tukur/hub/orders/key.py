"""The key that signs orders, and the signed succession of the keys before it."""

from pathlib import Path

import msgspec

from tukur.files import kept_secret, write_secret
from tukur.hub.store.errors import NotWritableError
from tukur.protocol import auth
from tukur.protocol.errors import UNREADABLE
from tukur.protocol.messages import MAX_SUCCESSION, Successor

FILE = "order.key"
"""In the data directory: the secret half, 32 bytes."""
SUCCESSION = "order.succession"
"""In the data directory: each replaced key with its successor, which it signed."""

_steps = msgspec.msgpack.Decoder(list[Successor])


class OrderKey:
    """The order key of one hub. :meth:`rotate` replaces it, also from another process."""

    def __init__(self, folder: Path) -> None:
        """Reads the key, or generates it at first use. Raises NotWritableError."""
        self._folder = folder
        self.secret = b""
        self.succession: tuple[Successor, ...] = ()
        self.refresh()

    @property
    def public(self) -> bytes:
        """The public half, which agents pin."""
        return auth.public_key(self.secret)

    def refresh(self) -> bool:
        """Reads the key again; returns whether it has changed. Raises NotWritableError."""
        before = self.secret
        try:
            self.secret = kept_secret(self._folder / FILE, auth.new_key())
            path = self._folder / SUCCESSION
            steps = _steps.decode(path.read_bytes()) if path.exists() else []
        except (OSError, *UNREADABLE) as error:
            raise NotWritableError(
                f"the order key in {self._folder} cannot be read or created: {error}"
            ) from error
        # An interrupted rotation wrote a step to a key that was not stored.
        while steps and steps[-1].new != self.public:
            steps.pop()
        self.succession = tuple(steps)
        return before not in (b"", self.secret)

    def rotate(self) -> None:
        """Generates a new key and signs it with the old one. Raises NotWritableError."""
        new = auth.new_key()
        text = auth.successor_text(self.public, auth.public_key(new))
        step = Successor(self.public, auth.public_key(new), auth.sign(self.secret, text))
        steps = (*self.succession, step)[-MAX_SUCCESSION:]
        try:
            write_secret(self._folder / SUCCESSION, msgspec.msgpack.encode(steps))
            write_secret(self._folder / FILE, new)
        except OSError as error:
            raise NotWritableError(f"the order key in {self._folder} was not changed: {error}") from error
        self.secret, self.succession = new, steps
