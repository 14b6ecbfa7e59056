"""Writes and reads which processes were killed by the OOM killer."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from tukur.hub.store.backends.bulk import insert_new
from tukur.hub.store.backends.database import Database
from tukur.hub.store.schema import oom_kill, process
from tukur.protocol.messages import Ended, OomKill

_NAME = 255
_CONSTRAINT = 32


async def put_ooms(connection: AsyncConnection, boot_no: int, ooms: Sequence[OomKill]) -> None:
    """Stores kills and marks the lives that ended by them, which must be stored already."""
    if not ooms:
        return
    await insert_new(connection, oom_kill, [_row(boot_no, entry) for entry in ooms])
    known = [{"key_start_ns": entry.start_ns, "key_pid": entry.pid} for entry in ooms if entry.start_ns]
    if known:
        await connection.execute(
            update(process)
            .where(
                process.c.boot == boot_no,
                process.c.start_ns == bindparam("key_start_ns"),
                process.c.pid == bindparam("key_pid"),
                process.c.ended.is_(True),
            )
            .values(cause="oom"),
            known,
        )


async def mark_victims(connection: AsyncConnection, boot_no: int, ended: Sequence[Ended]) -> None:
    """Marks lives whose end was reported by a later block than the kill."""
    if not ended:
        return
    wanted = select(oom_kill.c.start_ns, oom_kill.c.pid).where(oom_kill.c.boot == boot_no)
    killed = {(row.start_ns, row.pid) for row in await connection.execute(wanted)}
    keys = [(entry.start_ns, entry.pid) for entry in ended if (entry.start_ns, entry.pid) in killed]
    if keys:
        mine = (process.c.boot == boot_no, tuple_(process.c.start_ns, process.c.pid).in_(keys))
        await connection.execute(update(process).where(*mine).values(cause="oom"))


def _row(boot_no: int, entry: OomKill) -> dict[str, Any]:
    return {
        "boot": boot_no,
        "at_ns": entry.at_ns,
        "pid": entry.pid,
        "at_ms": entry.at_wall_ns // 1_000_000,
        "start_ns": entry.start_ns,
        "name": entry.name[:_NAME],
        "uid": entry.uid,
        "constraint": entry.constraint[:_CONSTRAINT],
        "memcg": entry.memcg,
        "task_memcg": entry.task_memcg,
        "trigger": entry.trigger[:_NAME],
        "rss": entry.rss,
        "text": entry.text,
    }


class OomStore:
    """Queries over kills."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def between(self, boots: Sequence[int], from_ms: int, to_ms: int, limit: int) -> list[Any]:
        """Rows of ``oom_kill`` in [from, to), the newest first, at most `limit`."""
        columns = oom_kill.c
        wanted = (
            select(oom_kill)
            .where(columns.boot.in_(boots), columns.at_ms >= from_ms, columns.at_ms < to_ms)
            .order_by(columns.at_ms.desc(), columns.boot.desc(), columns.at_ns.desc(), columns.pid)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return list(await connection.execute(wanted))
