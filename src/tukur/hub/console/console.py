"""What the command line does with a hub's accounts and hosts, while the hub runs or not."""

import contextlib
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Any

from tukur.hub.audit.log import DONE, AuditLog, audit_key, local_user
from tukur.hub.auth.account_key import AccountKey
from tukur.hub.auth.identity import Rights, hash_of
from tukur.hub.auth.passwords import Passwords
from tukur.hub.auth.second_factor import SecondFactor
from tukur.hub.auth.service import OWNER, Auth, now_ms
from tukur.hub.auth.users import Change, UserAdmin
from tukur.hub.bus import Bus
from tukur.hub.orders.key import OrderKey
from tukur.hub.store.backends.address import ServerAddress
from tukur.hub.store.control.enrolment import JoinTokenRow
from tukur.hub.store.control.identity_conflicts import IdentityConflictRow
from tukur.hub.store.control.tokens import TokenRow
from tukur.hub.store.control.users import UserRow
from tukur.hub.store.store import HostRow, Store
from tukur.protocol.join_token import SECRET, JoinToken


@contextlib.asynccontextmanager
async def _store(data_dir: Path, server: ServerAddress | None) -> AsyncIterator[Store]:
    store = await Store.open(data_dir, server)
    try:
        yield store
    finally:
        await store.close()


def _auth(store: Store) -> Auth:
    # Nobody listens here: a hub that runs is told by a signal.
    return Auth(store.control, Bus())


def _audit(store: Store, data_dir: Path) -> AuditLog:
    return AuditLog(store.control.audit, data_dir, audit_key(data_dir))


async def _noted(
    store: Store, data_dir: Path, action: str, target: str, *, known: bool = True, **detail: Any
) -> None:
    log = _audit(store, data_dir)
    await log.add(local_user(), action, target, DONE if known else "unknown", **detail)


async def create_sign_in_link(data_dir: Path, server: ServerAddress | None = None, user: str = OWNER) -> str:
    """The token of a link that signs a user in once. Raises StoreError, ProblemError.

    The owner is made where there is none of the name, also after all administrators were lost.
    """
    async with _users(data_dir, server) as (store, users):
        if user != OWNER:
            await users.user(user)
        await _noted(store, data_dir, "link.create", user)
        return await _auth(store).new_link(user)


@contextlib.asynccontextmanager
async def _users(data_dir: Path, server: ServerAddress | None) -> AsyncIterator[tuple[Store, UserAdmin]]:
    async with _store(data_dir, server) as store:
        factor = SecondFactor(store.control.users, AccountKey(data_dir))
        yield store, UserAdmin(store.control, _auth(store), Passwords(), factor)


async def list_users(data_dir: Path, server: ServerAddress | None = None) -> list[UserRow]:
    """Every user, by name. Raises StoreError."""
    async with _users(data_dir, server) as (_, users):
        return await users.users()


async def add_user(data_dir: Path, name: str, rights: Rights, server: ServerAddress | None = None) -> str:
    """Makes a user; the token of its first link. Raises StoreError, ProblemError."""
    async with _users(data_dir, server) as (store, users):
        token = await users.add(name, rights)
        await _noted(store, data_dir, "user.add", name, role=rights.role.word, grants=rights.grants_text())
        return token


async def change_user(data_dir: Path, name: str, change: Change, server: ServerAddress | None = None) -> None:
    """Other rights, or disabled or not. Raises StoreError, ProblemError."""
    async with _users(data_dir, server) as (store, users):
        await users.change(name, change)
        await _noted(store, data_dir, "user.change", name, **change.columns())


async def remove_user(data_dir: Path, name: str, server: ServerAddress | None = None) -> None:
    """Forgets a user. Raises StoreError, ProblemError."""
    async with _users(data_dir, server) as (store, users):
        await users.remove(name)
        await _noted(store, data_dir, "user.remove", name)


async def reset_user(
    data_dir: Path, name: str, *, second_factor: bool, server: ServerAddress | None = None
) -> str:
    """Takes the password, ends the sessions; the token of a link. Raises StoreError, ProblemError."""
    async with _users(data_dir, server) as (store, users):
        token = await users.reset(name, totp=second_factor)
        await _noted(store, data_dir, "user.reset", name, second_factor=second_factor)
        return token


async def create_token(
    data_dir: Path, name: str, rights: Rights, days: int, server: ServerAddress | None = None
) -> str:
    """A bearer token, shown this once. Raises StoreError, and ValueError where the name is taken."""
    async with _store(data_dir, server) as store:
        secret = await _auth(store).new_token(name, rights, days)
        await _noted(
            store,
            data_dir,
            "token.create",
            name,
            role=rights.role.word,
            grants=rights.grants_text(),
            days=days,
        )
        return secret


async def list_tokens(data_dir: Path, server: ServerAddress | None = None) -> list[TokenRow]:
    """Every token, without its secret. Raises StoreError."""
    async with _store(data_dir, server) as store:
        return await _auth(store).tokens()


async def revoke_token(data_dir: Path, name: str, server: ServerAddress | None = None) -> bool:
    """Ends a token at once; False: there is none of that name. Raises StoreError."""
    async with _store(data_dir, server) as store:
        known = await _auth(store).revoke_token(name)
        await _noted(store, data_dir, "token.revoke", name, known=known)
        return known


async def create_join_token(
    data_dir: Path,
    label: str,
    uses: int,
    seconds: int,
    authority: bytes | None,
    server: ServerAddress | None = None,
) -> str:
    """The text of a token for so many machines, shown this once; `authority`: see ``JoinToken``.

    Raises StoreError, and ValueError where the label is taken.
    """
    token, now = JoinToken(secrets.token_bytes(SECRET), authority), now_ms()
    async with _store(data_dir, server) as store:
        kept = await store.control.enrolments.add_token(
            hash_of(token.secret), label, uses, now, now + seconds * 1000
        )
        if not kept:
            raise ValueError(f"there is a join token labelled {label!r} already; another label expected")
        await _noted(store, data_dir, "join_token.create", label, uses=uses, seconds=seconds)
    return token.text()


async def list_join_tokens(data_dir: Path, server: ServerAddress | None = None) -> list[JoinTokenRow]:
    """Every join token, without its secret. Raises StoreError."""
    async with _store(data_dir, server) as store:
        return await store.control.enrolments.tokens()


async def revoke_join_token(data_dir: Path, label: str, server: ServerAddress | None = None) -> bool:
    """Ends a join token at once; False: there is none of that label. Raises StoreError."""
    async with _store(data_dir, server) as store:
        known = await store.control.enrolments.drop_token(label)
        await _noted(store, data_dir, "join_token.revoke", label, known=known)
        return known


async def list_hosts(data_dir: Path, server: ServerAddress | None = None) -> list[HostRow]:
    """Every host, by name. Raises StoreError."""
    async with _store(data_dir, server) as store:
        return await store.hosts()


async def revoke_host(data_dir: Path, host_id: str, server: ServerAddress | None = None) -> bool:
    """The host is let in no more; False: there is none of that id. Raises StoreError."""
    async with _store(data_dir, server) as store:
        known = await store.control.enrolments.revoke(host_id, now_ms())
        await _noted(store, data_dir, "host.revoke", host_id, known=known)
        return known


async def change_host(
    data_dir: Path, host_id: str, changed: dict[str, object], server: ServerAddress | None = None
) -> bool:
    """Gives columns of a host other values; False: there is none of that id. Raises StoreError."""
    async with _store(data_dir, server) as store:
        known = await store.control.enrolments.change(host_id, **changed)
        await _noted(store, data_dir, "host.change", host_id, known=known, **changed)
        return known


async def list_held(data_dir: Path, server: ServerAddress | None = None) -> list[IdentityConflictRow]:
    """Every machine that waits for a decision. Raises StoreError."""
    async with _store(data_dir, server) as store:
        return await store.control.identity_conflicts.pending()


async def release_host(
    data_dir: Path, host_id: str, boot_id: str | None, server: ServerAddress | None = None
) -> bool:
    """Decides which machine is the host; see ``IdentityConflicts.release``. Raises StoreError."""
    async with _store(data_dir, server) as store:
        known = await store.control.identity_conflicts.release(host_id, boot_id)
        await _noted(store, data_dir, "host.release", host_id, known=known, boot_id=boot_id)
        return known


async def rotate_order_key(data_dir: Path, server: ServerAddress | None = None) -> None:
    """Puts another order key in place of the present one, which signs it. Raises StoreError."""
    key = OrderKey(data_dir)
    async with _store(data_dir, server) as store:
        before = key.public.hex()
        key.rotate()
        await _noted(store, data_dir, "order_key.rotate", key.public.hex(), before=before)


async def note_authority(data_dir: Path, action: str, server: ServerAddress | None = None) -> None:
    """That the hub's own authority was rotated or retired. Raises StoreError."""
    async with _store(data_dir, server) as store:
        await _noted(store, data_dir, f"ca.{action}", "")


async def verify_audit(data_dir: Path, server: ServerAddress | None = None) -> tuple[int, list[str]]:
    """(entries, what is wrong with them). Raises StoreError."""
    count, faults = 0, []
    async with _store(data_dir, server) as store:
        async for seq, fault in _audit(store, data_dir).verify():
            count = seq
            faults += [fault] if fault else []
    return count, faults


async def export_audit(data_dir: Path, out: IO[bytes], server: ServerAddress | None = None) -> None:
    """Writes all entries, the oldest first, a line of JSON each. Raises StoreError."""
    async with _store(data_dir, server) as store:
        async for lines in _audit(store, data_dir).lines():
            out.write(lines)
