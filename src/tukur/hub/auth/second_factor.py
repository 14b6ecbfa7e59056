"""The second factor: codes of an authenticator (TOTP, RFC 6238), and recovery codes for when it is lost."""

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
_RECOVERY = 10
_PURPOSE = "totp"


class SecondFactor:
    """All methods that touch the store raise StoreError."""

    def __init__(self, users: Users, key: AccountKey, clock: Callable[[], float] = time.time) -> None:
        self._users = users
        self._key = key
        self._clock = clock

    async def begin(self, user: UserRow) -> str:
        """A new secret, Base32, which counts once a code of it was given. Raises ProblemError."""
        if user.totp_step is not None:
            raise ProblemError(409, "second_factor_on", "a second factor is active; remove it first")
        # 160 bits, as RFC 4226 recommends.
        secret = secrets.token_bytes(20)
        await self._users.change(user.name, {"totp": self._key.seal(_PURPOSE, str(user.id), secret)})
        return base64.b32encode(secret).decode()

    async def confirm(self, user: UserRow, code: str) -> list[str]:
        """The secret counts from now on; the recovery codes, shown this once. Raises ProblemError."""
        if user.totp is None or user.totp_step is not None:
            raise ProblemError(409, "second_factor_not_begun", "there is no second factor to confirm")
        step = self._step(user, code)
        if step is None:
            raise _not_valid()
        codes = [_recovery_code() for _ in range(_RECOVERY)]
        if not await self._users.confirm_totp(user.id, step, [_kept(code) for code in codes]):
            raise ProblemError(409, "second_factor_on", "the second factor was confirmed meanwhile")
        return codes

    async def check(self, user: UserRow, code: str) -> None:
        """Uses a code up: of the authenticator, or a recovery code. Raises ProblemError."""
        if not code.strip():
            raise ProblemError(401, "code_needed", "a code of the second factor is needed too")
        step = self._step(user, code)
        if step is not None and await self._users.use_step(user.id, step):
            return
        if step is None and await self._users.use_recovery_code(user.id, _kept(code)):
            return
        raise _not_valid()

    def _step(self, user: UserRow, code: str) -> int | None:
        """The period that the code is of: this one, the one before or after; None: of none."""
        secret = self._key.open(_PURPOSE, str(user.id), user.totp or "")
        said = code.replace(" ", "")
        if secret is None or len(said) != 6 or not said.isascii():
            return None
        totp = TOTP(secret, 6, SHA1(), _PERIOD_S)  # noqa: S303 - what authenticators know
        now = int(self._clock()) // _PERIOD_S
        for step in (now, now - 1, now + 1):
            if hmac.compare_digest(totp.generate(step * _PERIOD_S), said.encode()):
                return step
        return None


def uri(user: str, site: str, secret: str) -> str:
    """What an authenticator reads from the picture."""
    return f"otpauth://totp/{quote(f'tukur {site}:{user}')}?secret={secret}&issuer={quote(f'tukur {site}')}"


def _recovery_code() -> str:
    # 80 bits: a plain hash keeps it.
    text = base64.b32encode(secrets.token_bytes(10)).decode().lower()
    return "-".join(text[at : at + 4] for at in range(0, 16, 4))


def _kept(code: str) -> bytes:
    return hash_of("".join(letter for letter in code.lower() if letter.isalnum()))


def _not_valid() -> ProblemError:
    return ProblemError(401, "code_not_valid", "this code is wrong, too old or was used before")
