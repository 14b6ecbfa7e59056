"""Which machines are hosts: join tokens, keys, revocation."""

from dataclasses import dataclass
from typing import Literal

import msgspec
from sqlalchemy import delete, func, insert, select, update

from tukur.hub.store.backends.bulk import insert_new
from tukur.hub.store.backends.database import Database, retry_on_conflict
from tukur.hub.store.schema import host, join_token
from tukur.protocol.messages import HostFacts

KEEP_MS = 7 * 86_400_000
"""How long a used or expired token is kept, so that its user is told the reason."""

Unfit = Literal["token_unknown", "token_expired", "token_used_up"]


@dataclass(frozen=True, slots=True)
class JoinTokenRow:
    """A join token, without its secret."""

    label: str
    uses: int
    uses_left: int
    created_ms: int
    expires_ms: int


@dataclass(frozen=True, slots=True)
class HostKey:
    """The key that identifies a host."""

    public: bytes
    revoked: bool
    only_boot: str | None
    """The only boot that is admitted; None: any."""


class Enrolments:
    """All methods raise StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- tokens

    @retry_on_conflict
    async def add_token(
        self, secret_hash: bytes, label: str, uses: int, now_ms: int, expires_ms: int
    ) -> bool:
        """Stores a token; False: its label is taken by a valid one."""
        async with self._database.write() as connection:
            spent = (join_token.c.expires_ms <= now_ms) | (join_token.c.uses_left <= 0)
            old = join_token.c.expires_ms <= now_ms - KEEP_MS
            await connection.execute(delete(join_token).where(((join_token.c.label == label) & spent) | old))
            found = await connection.execute(select(join_token.c.label).where(join_token.c.label == label))
            if found.first() is not None:
                return False
            row = {"hash": secret_hash, "label": label, "uses": uses, "uses_left": uses}
            row |= {"created_ms": now_ms, "expires_ms": expires_ms}
            await connection.execute(insert(join_token), row)
            return True

    async def tokens(self) -> list[JoinTokenRow]:
        """Every token, the newest first."""
        wanted = select(join_token).order_by(join_token.c.created_ms.desc(), join_token.c.label)
        async with self._database.read() as connection:
            return [
                JoinTokenRow(row.label, row.uses, row.uses_left, row.created_ms, row.expires_ms)
                for row in await connection.execute(wanted)
            ]

    @retry_on_conflict
    async def drop_token(self, label: str) -> bool:
        """Ends a token; False: there is none of this label."""
        async with self._database.write() as connection:
            found = await connection.execute(delete(join_token).where(join_token.c.label == label))
            return bool(found.rowcount)

    @retry_on_conflict
    async def join(
        self, secret_hash: bytes, host_id: str, public: bytes, name: str, now_ms: int
    ) -> Unfit | None:
        """Adds a host by one use of a token, in one transaction; otherwise the reason why not."""
        async with self._database.write() as connection:
            # One statement checks and uses it: of two that come at once for the last use, one gets it.
            used = await connection.execute(
                update(join_token)
                .where(
                    join_token.c.hash == secret_hash,
                    join_token.c.uses_left > 0,
                    join_token.c.expires_ms > now_ms,
                )
                .values(uses_left=join_token.c.uses_left - 1)
            )
            if not used.rowcount:
                found = await connection.execute(
                    select(join_token.c.uses_left).where(join_token.c.hash == secret_hash)
                )
                left = found.scalar_one_or_none()
                if left is None:
                    return "token_unknown"
                return "token_used_up" if left <= 0 else "token_expired"
            row = {"host_id": host_id, "public_key": public, "name": name, "created_ms": now_ms}
            await connection.execute(insert(host), row)
            return None

    # --- hosts

    @retry_on_conflict
    async def enrol(self, host_id: str, public_key: bytes, name: str, wall_ns: int) -> None:
        """Admits a host by its public key; if it is known, its key becomes this one and its name stays."""
        row = {"host_id": host_id, "public_key": public_key, "name": name, "created_ms": wall_ns // 1_000_000}
        async with self._database.write() as connection:
            await insert_new(connection, host, [row])
            await connection.execute(
                update(host).where(host.c.host_id == host_id).values(public_key=public_key)
            )

    @retry_on_conflict
    async def save_facts(self, host_id: str, facts: HostFacts, wall_ns: int) -> None:
        """Stores what a host reported about itself when it connected."""
        content = msgspec.json.encode(facts).decode()
        async with self._database.write() as connection:
            await connection.execute(
                update(host)
                .where(host.c.host_id == host_id)
                .values(facts=content, seen_ms=wall_ns // 1_000_000)
            )

    async def key(self, host_id: str) -> HostKey | None:
        """The host's key; None: there is no such host."""
        wanted = select(host.c.public_key, host.c.revoked_ms, host.c.only_boot).where(
            host.c.host_id == host_id
        )
        async with self._database.read() as connection:
            row = (await connection.execute(wanted)).one_or_none()
        if row is None:
            return None
        return HostKey(bytes(row.public_key), row.revoked_ms is not None, row.only_boot)

    @retry_on_conflict
    async def change_key(self, host_id: str, old: bytes, new: bytes) -> bool:
        """Replaces a key by another; False: the old one was not the host's any more."""
        async with self._database.write() as connection:
            found = await connection.execute(
                update(host)
                .where(host.c.host_id == host_id, host.c.public_key == old, host.c.revoked_ms.is_(None))
                .values(public_key=new)
            )
            return bool(found.rowcount)

    @retry_on_conflict
    async def revoke(self, host_id: str, now_ms: int) -> bool:
        """Revokes the host's key; False: there is no such host."""
        async with self._database.write() as connection:
            found = await connection.execute(
                update(host)
                .where(host.c.host_id == host_id)
                .values(revoked_ms=func.coalesce(host.c.revoked_ms, now_ms))
            )
            return bool(found.rowcount)

    async def revoked(self) -> frozenset[str]:
        """Every host that is revoked."""
        async with self._database.read() as connection:
            found = await connection.execute(select(host.c.host_id).where(host.c.revoked_ms.is_not(None)))
            return frozenset(found.scalars())

    async def groups(self, host_id: str) -> frozenset[str]:
        """The host groups of a host; none if there is no such host."""
        async with self._database.read() as connection:
            found = await connection.execute(select(host.c.group_names).where(host.c.host_id == host_id))
            return frozenset((found.scalar_one_or_none() or "").split())

    @retry_on_conflict
    async def change(self, host_id: str, **values: object) -> bool:
        """Changes columns of a host; False: there is no such host."""
        async with self._database.write() as connection:
            found = await connection.execute(update(host).where(host.c.host_id == host_id).values(values))
            return bool(found.rowcount)
