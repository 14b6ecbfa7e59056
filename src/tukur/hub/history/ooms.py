"""Processes killed by the OOM killer within a range."""

from typing import Any

from tukur.hub.models.exit import OomKill, OomKills
from tukur.hub.store.store import HostRow
from tukur.hub.store.waists import Facts


async def ooms(facts: Facts, host: HostRow, from_ms: int, to_ms: int, limit: int) -> OomKills:
    """The kills in [from, to), the newest first."""
    boots = await facts.lives.boots(host.number)
    found = await facts.ooms.between(list(boots), from_ms, to_ms, limit + 1)
    rows = found[:limit]
    starts: dict[int, list[int]] = {}
    for row in rows:
        starts.setdefault(row.boot, []).append(row.start_ns)
    images = {boot: await facts.images.at(boot, wanted, 2**63 - 1) for boot, wanted in starts.items()}
    return OomKills(
        from_ms=from_ms,
        to_ms=to_ms,
        kills=[_kill(row, boots[row.boot][0], images[row.boot].get((row.start_ns, row.pid))) for row in rows],
        more=len(found) > limit,
    )


def _kill(row: Any, boot_id: str, image: Any) -> OomKill:
    return OomKill(
        at_ms=row.at_ms,
        boot_id=boot_id,
        pid=row.pid,
        start_ns=str(row.start_ns) if row.start_ns else None,
        name=row.name,
        uid=row.uid,
        user=image.user if image else str(row.uid),
        cmdline=image.cmdline if image else "",
        unit=image.unit if image else "",
        container=image.container if image else "",
        pod=image.pod if image else "",
        slice=image.slice if image else "",
        constraint=row.constraint,
        memcg=row.memcg,
        task_memcg=row.task_memcg,
        trigger=row.trigger,
        rss=row.rss,
        text=row.text,
    )
