"""The key that encrypts account secrets and cookies. It is kept outside the database."""

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
_NONCE_BYTES = 12


class AccountKey:
    """32 bytes in the data directory, created at first use; each purpose has its own derived key."""

    def __init__(self, data_dir: Path) -> None:
        """Raises NotWritableError."""
        path = data_dir / FILE
        try:
            self._key = kept_secret(path, secrets.token_bytes(32))
        except OSError as error:
            raise NotWritableError(f"cannot access the account key {path}: {error.strerror}") from error

    def _derive_key(self, purpose: str) -> bytes:
        return hmac.digest(self._key, f"tukur {purpose} v1".encode(), hashlib.sha256)

    def seal(self, purpose: str, owner: str, content: bytes) -> str:
        """Encrypts; the text decrypts only for the same purpose and owner."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = AESGCM(self._derive_key(purpose)).encrypt(nonce, content, owner.encode())
        return base64.urlsafe_b64encode(nonce + sealed).decode()

    def open(self, purpose: str, owner: str, text: str) -> bytes | None:
        """Decrypts; None: other purpose, owner or key, or not such a text."""
        try:
            sealed = base64.urlsafe_b64decode(text.encode())
            return AESGCM(self._derive_key(purpose)).decrypt(
                sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], owner.encode()
            )
        except (InvalidTag, ValueError):
            return None
