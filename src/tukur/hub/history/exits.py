"""How lives ended within a range: single lives, aggregates, and what was lost."""

import re
from typing import Any, Literal

from tukur.hub.errors import ProblemError
from tukur.hub.history.totals import known_peak, seconds
from tukur.hub.models.exit import Exit, ExitGroup, Exits, LostLives
from tukur.hub.store.record.exits import ExitCursor
from tukur.hub.store.store import HostRow
from tukur.hub.store.waists import Facts

Only = Literal["all", "failed", "signal", "oom"]


def parse_cursor(text: str) -> ExitCursor:
    """The place that ``next`` of an answer names. Raises ProblemError (400)."""
    if not re.fullmatch(r"\d{1,16}-\d{1,19}-\d{1,7}", text):
        raise ProblemError(400, "bad_cursor", f"after={text[:60]!r}; the `next` of an answer expected")
    last_ms, start_ns, pid = map(int, text.split("-"))
    return ExitCursor(last_ms, min(start_ns, 2**63 - 1), pid)


async def exits(
    facts: Facts,
    host: HostRow,
    from_ms: int,
    to_ms: int,
    only: Only,
    limit: int,
    after: ExitCursor | None,
) -> Exits:
    """The lives that ended in [from, to), newest first, from `after` on."""
    boots = await facts.lives.boots(host.number)
    found = await facts.exits.ended(list(boots), from_ms, to_ms, only, limit + 1, after)
    rows = found[:limit]
    images = await _images(facts, rows)
    groups = await facts.exits.groups(list(boots), from_ms, to_ms)
    parents = await _parents(facts, groups)
    lost = await facts.exits.lost(host.number, from_ms, to_ms)
    last = rows[-1] if rows else None
    more = len(found) > limit and last is not None
    return Exits(
        from_ms=from_ms,
        to_ms=to_ms,
        exits=[_exit(row, images.get((row.boot, row.start_ns, row.pid)), *boots[row.boot]) for row in rows],
        next=f"{last.last_ms}-{last.start_ns}-{last.pid}" if more and last is not None else None,
        groups=[_group(row, parents.get((row.boot, row.parent_start_ns, row.ppid))) for row in groups],
        lost=LostLives(lives=lost.lives, cpu_s=lost.cpu_ns / 1e9, execs=lost.execs, finals=lost.finals),
    )


async def _images(facts: Facts, rows: list[Any]) -> dict[tuple[int, int, int], Any]:
    starts: dict[int, list[int]] = {}
    for row in rows:
        starts.setdefault(row.boot, []).append(row.start_ns)
    return {
        (boot, *key): image
        for boot, wanted in starts.items()
        for key, image in (await facts.images.at(boot, wanted, 2**63 - 1)).items()
    }


async def _parents(facts: Facts, groups: list[Any]) -> dict[tuple[int, int, int], str]:
    """Names of the groups' parents."""
    starts: dict[int, list[int]] = {}
    for row in groups:
        starts.setdefault(row.boot, []).append(row.parent_start_ns)
    return {
        (boot, *key): image.name
        for boot, wanted in starts.items()
        for key, image in (await facts.images.at(boot, wanted, 2**63 - 1)).items()
    }


def _exit(row: Any, image: Any, boot_id: str, booted_ms: int) -> Exit:
    return Exit(
        boot_id=boot_id,
        pid=row.pid,
        start_ns=str(row.start_ns),
        ppid=row.ppid,
        name=image.name if image else "",
        cmdline=image.cmdline if image else "",
        user=image.user if image else "",
        unit=image.unit if image else "",
        container=image.container if image else "",
        pod=image.pod if image else "",
        slice=image.slice if image else "",
        started_ms=booted_ms + row.start_ns // 1_000_000,
        ended_ms=row.last_ms,
        exact=row.exact,
        exit_code=row.exit_code,
        exit_signal=row.exit_signal,
        cause=row.cause,
        cpu_s=seconds(row.cpu_ns),
        rss_peak=row.rss_peak,
        read_bytes=row.read_bytes,
        write_bytes=row.write_bytes,
    )


def _group(row: Any, parent: str | None) -> ExitGroup:
    return ExitGroup(
        ppid=row.ppid,
        parent_start_ns=str(row.parent_start_ns),
        parent_name=parent or "",
        name=row.name,
        uid=row.uid,
        lives=int(row.lives) or None,
        cpu_s=int(row.cpu_ns) / 1e9,
        rss_peak=known_peak(row.rss_peak),
        read_bytes=int(row.read_bytes),
        write_bytes=int(row.write_bytes),
    )
