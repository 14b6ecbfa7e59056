"""The audit log on each database."""

import asyncio
import logging
from pathlib import Path

import pytest
from sqlalchemy import delete, update

from tukur.hub.audit.log import HEAD, AuditLog
from tukur.hub.store.backends.address import ServerAddress
from tukur.hub.store.control.audit import AuditQuery
from tukur.hub.store.schema import audit, audit_head
from tukur.hub.store.store import Store
from tukur.protocol import auth

KEY = auth.new_key()


@pytest.fixture
def log(store: Store, tmp_path: Path) -> AuditLog:
    return AuditLog(store.control.audit, tmp_path, KEY)


async def wrong(log: AuditLog) -> list[str]:
    return [found async for _, found in log.verify() if found]


async def filled(log: AuditLog, count: int = 8) -> None:
    for at in range(count):
        await log.add("admin", "order.issue", "owl", origin="192.0.2.1", pid=at, reason="naïve 🦉")


async def test_what_is_added_is_found_and_whole(log: AuditLog, store: Store) -> None:
    await filled(log)
    await log.add("token:ci", "token.create", "ci", "refused")
    assert await wrong(log) == []
    found = await log.find(AuditQuery(), 3)
    assert [entry.seq for entry in found] == [9, 8, 7]
    assert found[1].detail == '{"pid":7,"reason":"naïve 🦉"}'
    assert [entry.seq for entry in await log.find(AuditQuery(action="order", before=3), 10)] == [2, 1]
    assert [entry.seq for entry in await log.find(AuditQuery(action="ord"), 10)] == []
    assert [entry.seq for entry in await log.find(AuditQuery(actor="token:ci", result="refused"), 10)] == [9]
    assert [entry.seq for entry in await log.find(AuditQuery(from_ms=found[0].at_ms + 1), 10)] == []


async def test_many_at_once_and_two_programs_make_one_chain(
    log: AuditLog, server: ServerAddress | None, tmp_path: Path
) -> None:
    other = await Store.open(tmp_path, server)
    second = AuditLog(other.control.audit, tmp_path, KEY)
    try:
        await asyncio.gather(*(filled(one, 5) for one in (log, second) for _ in range(3)))
    finally:
        await other.close()
    assert await wrong(log) == []
    assert (await log.find(AuditQuery(), 1))[0].seq == 30


async def test_whoever_has_the_database_alone_is_found_out(log: AuditLog, store: Store) -> None:
    await filled(log)
    async with store.database.write() as connection:
        await connection.execute(update(audit).where(audit.c.seq == 3).values(actor="somebody else"))
    assert (await wrong(log))[0].startswith("entry 3 was altered")


async def test_entries_cut_off_at_the_end_stay_missing_whatever_is_written_after(
    log: AuditLog, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    await filled(log)
    before = (await log.find(AuditQuery(), 10))[3]
    async with store.database.write() as connection:
        await connection.execute(delete(audit).where(audit.c.seq > 5))
        await connection.execute(update(audit_head).values(seq=5, hash=before.hash))
    assert await wrong(log) == ["the entries after 5 are missing: there were 8"]
    with caplog.at_level(logging.CRITICAL):
        await filled(log)
    assert "the audit log was altered at entry 8" in caplog.text
    assert "entry 8 does not match the head" in await wrong(log)


async def test_a_log_without_its_head_says_that_its_end_cannot_be_told(log: AuditLog, tmp_path: Path) -> None:
    await filled(log)
    (tmp_path / HEAD).unlink()
    assert (await wrong(log))[0].startswith("the head is missing")
    (tmp_path / HEAD).write_bytes(b"{torn")
    assert (await wrong(log))[0].startswith("the head is missing")


async def test_the_head_is_its_owners_alone(log: AuditLog, tmp_path: Path) -> None:
    await filled(log, 1)
    assert (tmp_path / HEAD).stat().st_mode & 0o777 == 0o600
