"""The hub's own key for what it hands out or keeps encrypted of accounts. It is not in the database."""

import base64
import hashlib
import hmac
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tukur.files import kept_secret
from tukur.hub.store.errors import NotWritableError

FILE = "accounts.key"
_NONCE = 12


class AccountKey:
    """32 bytes of the data directory, made at first use; each purpose has a key derived from it."""

    def __init__(self, data_dir: Path) -> None:
        """Raises NotWritableError."""
        path = data_dir / FILE
        try:
            self._key = kept_secret(path, secrets.token_bytes(32))
        except OSError as error:
            raise NotWritableError(f"the accounts' key {path} is not accessible: {error.strerror}") from error

    def _derived(self, purpose: str) -> bytes:
        return hmac.digest(self._key, f"tukur {purpose} v1".encode(), hashlib.sha256)

    def seal(self, purpose: str, owner: str, content: bytes) -> str:
        """Encrypted text that opens for the same purpose and owner only."""
        nonce = secrets.token_bytes(_NONCE)
        sealed = AESGCM(self._derived(purpose)).encrypt(nonce, content, owner.encode())
        return base64.urlsafe_b64encode(nonce + sealed).decode()

    def open(self, purpose: str, owner: str, text: str) -> bytes | None:
        """What was sealed; None: it was for something else, by another key, or is no such text."""
        try:
            sealed = base64.urlsafe_b64decode(text.encode())
            return AESGCM(self._derived(purpose)).decrypt(sealed[:_NONCE], sealed[_NONCE:], owner.encode())
        except (InvalidTag, ValueError):
            return None
