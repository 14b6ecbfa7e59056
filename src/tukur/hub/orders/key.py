"""The key that signs orders, and the way to it from those before."""

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
"""In the data directory: each key that was replaced, with the one that it signed to be the next."""

_steps = msgspec.msgpack.Decoder(list[Successor])


class OrderKey:
    """One hub's; whoever puts another in its place does so by :meth:`rotate`, maybe in another process."""

    def __init__(self, folder: Path) -> None:
        """Reads the key, or makes it at first use. Raises NotWritableError."""
        self._folder = folder
        self.secret = b""
        self.succession: tuple[Successor, ...] = ()
        self.refresh()

    @property
    def public(self) -> bytes:
        """What agents pin."""
        return auth.public_key(self.secret)

    def refresh(self) -> bool:
        """Reads anew; whether the key is another. Raises NotWritableError."""
        before = self.secret
        try:
            self.secret = kept_secret(self._folder / FILE, auth.new_key())
            path = self._folder / SUCCESSION
            steps = _steps.decode(path.read_bytes()) if path.exists() else []
        except (OSError, *UNREADABLE) as error:
            raise NotWritableError(f"the order key in {self._folder} cannot be had: {error}") from error
        # A rotation that was interrupted wrote a step to a key that nobody has.
        while steps and steps[-1].new != self.public:
            steps.pop()
        self.succession = tuple(steps)
        return before not in (b"", self.secret)

    def rotate(self) -> None:
        """Makes a new key and has the old one sign it. Raises NotWritableError."""
        new = auth.new_key()
        text = auth.successor_text(self.public, auth.public_key(new))
        step = Successor(self.public, auth.public_key(new), auth.sign(self.secret, text))
        steps = (*self.succession, step)[-MAX_SUCCESSION:]
        try:
            write_secret(self._folder / SUCCESSION, msgspec.msgpack.encode(steps))
            write_secret(self._folder / FILE, new)
        except OSError as error:
            raise NotWritableError(f"the order key in {self._folder} stays as it was: {error}") from error
        self.secret, self.succession = new, steps
