"""API tokens. Of each secret only the hash is here."""

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import delete, insert, select

from tukur.hub.store.backends.database import Database, retry_on_conflict
from tukur.hub.store.schema import token


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A bearer token, without its secret."""

    name: str
    role: str
    grants: str
    created_ms: int
    expires_ms: int


class Tokens:
    """All methods raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @retry_on_conflict
    async def add(self, secret_hash: bytes, row: TokenRow) -> bool:
        """Stores a token; False: its name is taken."""
        async with self._database.write() as connection:
            await connection.execute(
                delete(token).where(token.c.name == row.name, token.c.expires_ms <= row.created_ms)
            )
            found = await connection.execute(select(token.c.name).where(token.c.name == row.name))
            if found.first() is not None:
                return False
            await connection.execute(insert(token), {"hash": secret_hash, **asdict(row)})
            return True

    async def token(self, secret_hash: bytes, now_ms: int) -> TokenRow | None:
        """The token, if it is valid."""
        async with self._database.read() as connection:
            found = await connection.execute(
                select(token).where(token.c.hash == secret_hash, token.c.expires_ms > now_ms)
            )
            row = found.one_or_none()
        return None if row is None else _token(row)

    async def all(self) -> list[TokenRow]:
        """Every token, by name."""
        async with self._database.read() as connection:
            found = await connection.execute(select(token).order_by(token.c.name))
            return [_token(row) for row in found]

    @retry_on_conflict
    async def drop(self, name: str) -> bool:
        """Ends a token; False: there is none of this name."""
        async with self._database.write() as connection:
            found = await connection.execute(delete(token).where(token.c.name == name))
            return bool(found.rowcount)


def _token(row: Any) -> TokenRow:
    return TokenRow(row.name, row.role, row.grants, row.created_ms, row.expires_ms)
