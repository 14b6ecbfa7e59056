"""The second factor: authenticator codes (TOTP, RFC 6238) and recovery codes."""

import base64
import hmac
import secrets
import time
from collections.abc import Callable
from urllib.parse import quote

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from tukur.hub.auth.account_key import AccountKey
from tukur.hub.auth.identity import hash_of
from tukur.hub.errors import ProblemError
from tukur.hub.store.control.users import UserRow, Users

_PERIOD_S = 30
_RECOVERY_CODES = 10
_PURPOSE = "totp"


class SecondFactor:
    """All methods that touch the store raise StoreError."""

    def __init__(self, users: Users, key: AccountKey, clock: Callable[[], float] = time.time) -> None:
        self._users = users
        self._key = key
        self._clock = clock

    async def begin(self, user: UserRow) -> str:
        """A new secret, Base32; not active before :meth:`confirm`. Raises ProblemError."""
        if user.totp_step is not None:
            raise ProblemError(409, "second_factor_on", "a second factor is already active; remove it first")
        # 160 bits, as RFC 4226 recommends.
        secret = secrets.token_bytes(20)
        await self._users.change(user.name, {"totp": self._key.seal(_PURPOSE, str(user.id), secret)})
        return base64.b32encode(secret).decode()

    async def confirm(self, user: UserRow, code: str) -> list[str]:
        """Activates the secret; returns the recovery codes, shown only once. Raises ProblemError."""
        if user.totp is None or user.totp_step is not None:
            raise ProblemError(409, "second_factor_not_begun", "no second factor was begun; begin one first")
        step = self._matching_step(user, code)
        if step is None:
            raise _not_valid()
        codes = [_recovery_code() for _ in range(_RECOVERY_CODES)]
        if not await self._users.confirm_totp(user.id, step, [_recovery_code_hash(code) for code in codes]):
            raise ProblemError(409, "second_factor_on", "the second factor was confirmed by another request")
        return codes

    async def check(self, user: UserRow, code: str) -> None:
        """Consumes an authenticator code or a recovery code. Raises ProblemError."""
        if not code.strip():
            raise ProblemError(401, "code_needed", "a code of the second factor is required")
        step = self._matching_step(user, code)
        if step is not None and await self._users.use_step(user.id, step):
            return
        if step is None and await self._users.use_recovery_code(user.id, _recovery_code_hash(code)):
            return
        raise _not_valid()

    def _matching_step(self, user: UserRow, code: str) -> int | None:
        """The time step of the code: the current, previous or next one; None: no match."""
        secret = self._key.open(_PURPOSE, str(user.id), user.totp or "")
        digits = code.replace(" ", "")
        if secret is None or len(digits) != 6 or not digits.isascii():
            return None
        totp = TOTP(secret, 6, SHA1(), _PERIOD_S)  # noqa: S303 - what authenticators support
        now = int(self._clock()) // _PERIOD_S
        for step in (now, now - 1, now + 1):
            if hmac.compare_digest(totp.generate(step * _PERIOD_S), digits.encode()):
                return step
        return None


def otpauth_uri(user: str, site: str, secret: str) -> str:
    """The content of the QR code for an authenticator."""
    return f"otpauth://totp/{quote(f'tukur {site}:{user}')}?secret={secret}&issuer={quote(f'tukur {site}')}"


def _recovery_code() -> str:
    # 80 random bits: a plain hash is enough.
    text = base64.b32encode(secrets.token_bytes(10)).decode().lower()
    return "-".join(text[start : start + 4] for start in range(0, 16, 4))


def _recovery_code_hash(code: str) -> bytes:
    return hash_of("".join(letter for letter in code.lower() if letter.isalnum()))


def _not_valid() -> ProblemError:
    return ProblemError(401, "code_not_valid", "this code is wrong, too old or was used before")
