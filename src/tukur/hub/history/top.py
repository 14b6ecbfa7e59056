"""Top lists of a range: from rows of minutes, and at its edges from the one-second record.

Lives can be grouped by a text of their last image: the record does not separate what a life did before an
exec from what it did after it.
"""

import asyncio
import heapq
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from tukur.blocks import BlockDamagedError, decode_totals
from tukur.hub.history.totals import known_peak
from tukur.hub.models.history import FleetTop, FleetTopList, Top, TopGroup, TopList
from tukur.hub.store.record.blocks import BlockRow
from tukur.hub.store.record.images import Key
from tukur.hub.store.record.rollups import MINUTE_MS
from tukur.hub.store.schema import UNKNOWN_PEAK
from tukur.hub.store.store import HostRow
from tukur.hub.store.waists import Facts

log = logging.getLogger(__name__)

SECONDS_MS = 10 * MINUTE_MS
"""A range up to this long is added up from the one-second record alone."""

By = Literal["cpu", "rss", "read", "write", "io"]
Group = Literal["process", "name", "user", "unit", "container", "pod", "slice"]


@dataclass(slots=True)
class _Sum:
    cpu_ns: int = 0
    rss_peak: int = UNKNOWN_PEAK
    read_bytes: int = 0
    write_bytes: int = 0

    def worth(self, by: By) -> int:
        """What the order is by."""
        match by:
            case "cpu":
                return self.cpu_ns
            case "rss":
                return self.rss_peak
            case "read":
                return self.read_bytes
            case "write":
                return self.write_bytes
            case "io":
                return self.read_bytes + self.write_bytes


K = TypeVar("K", str, tuple[int, Key])
S = TypeVar("S", bound=_Sum)


@dataclass(slots=True)
class _Sums:
    by_life: dict[tuple[int, Key], _Sum] = field(default_factory=dict)
    """(boot, (start_ns, pid)) to what it did."""

    def add(self, boot: int, key: Key, cpu_ns: int, rss_peak: int, read: int, write: int) -> None:
        found = self.by_life.setdefault((boot, key), _Sum())
        found.cpu_ns += cpu_ns
        found.rss_peak = max(found.rss_peak, rss_peak)
        found.read_bytes += read
        found.write_bytes += write

    def add_row(self, row: Any) -> None:
        """A row of minutes or hours."""
        self.add(
            row.boot,
            (row.start_ns, row.pid),
            int(row.cpu_ns),
            int(row.rss_peak),
            int(row.read_bytes),
            int(row.write_bytes),
        )

    def add_blocks(self, blocks: list[BlockRow], from_ms: int, to_ms: int, *, counters: bool = True) -> None:
        """What the samples in [from, to) say; without `counters` only the peaks of memory."""
        for row in blocks:
            try:
                totals = decode_totals(row.tasks, from_ms * 1_000_000, to_ms * 1_000_000, row.first_ms)
            except BlockDamagedError as error:
                log.error(
                    "the block at %d ns of boot %d is damaged, and left out: %s",
                    row.first_ns,
                    row.boot,
                    error,
                )
                continue
            for start_ns, pid, cpu, rss, read, write in zip(
                *(
                    totals[name].tolist()
                    for name in ("start_ns", "pid", "cpu_ns", "rss_peak", "read_bytes", "write_bytes")
                ),
                strict=True,
            ):
                if counters:
                    self.add(row.boot, (start_ns, pid), cpu, rss, read, write)
                else:
                    self.add(row.boot, (start_ns, pid), 0, rss, 0, 0)


@dataclass(slots=True)
class _GroupSum(_Sum):
    lives: int = 0

    def add_life(self, life: _Sum) -> None:
        """One more life of the group."""
        self.lives += 1
        self.cpu_ns += life.cpu_ns
        # Not a sum: its lives had their peaks at different times, and many did not run at the same time.
        self.rss_peak = max(self.rss_peak, life.rss_peak)
        self.read_bytes += life.read_bytes
        self.write_bytes += life.write_bytes

    def add_aggregate(self, row: Any) -> None:
        """Adds an aggregate of lives: a row of ``life_group``."""
        self.lives += int(row.lives)
        self.cpu_ns += int(row.cpu_ns)
        self.rss_peak = max(self.rss_peak, int(row.rss_peak))
        self.read_bytes += int(row.read_bytes)
        self.write_bytes += int(row.write_bytes)


async def top(
    facts: Facts, host: HostRow, from_ms: int, to_ms: int, by: By, limit: int, group: Group = "process"
) -> TopList:
    """The list for [from, to): of single lives, or of groups of them."""
    sums = _Sums()
    resolution = 1000 if to_ms - from_ms <= SECONDS_MS else MINUTE_MS
    if resolution == 1000:
        blocks = await facts.blocks.between(host.number, from_ms, to_ms, tasks=True)
        await asyncio.to_thread(sums.add_blocks, blocks, from_ms, to_ms)
    else:
        await _by_minutes(facts, host, from_ms, to_ms, sums)
    lives = _ranked(sums.by_life, by, limit) if group == "process" else []
    groups = (
        [] if group == "process" else _ranked(await _grouped(facts, sums, group, (from_ms, to_ms)), by, limit)
    )
    return TopList(
        from_ms=from_ms,
        to_ms=to_ms,
        resolution_ms=resolution,
        group=group,
        processes=await _named(facts, host, lives),
        groups=[_group(name, found) for name, found in groups],
    )


async def fleet(
    facts: Facts, hosts: Sequence[HostRow], from_ms: int, to_ms: int, by: By, limit: int
) -> FleetTopList:
    """The list over all hosts, in whole minutes: an idle process that only occupies memory is not listed."""
    begin, end = from_ms // MINUTE_MS * MINUTE_MS, -(-to_ms // MINUTE_MS) * MINUTE_MS
    best: list[tuple[HostRow, tuple[tuple[int, Key], _Sum]]] = []
    for host in hosts:
        sums = _Sums()
        for row in await facts.rollups.process_sums(host.number, begin, end):
            sums.add_row(row)
        best += [(host, entry) for entry in _ranked(sums.by_life, by, limit)]
        best = heapq.nsmallest(
            limit, best, key=lambda entry: (-entry[1][1].worth(by), entry[0].number, entry[1][0])
        )
    named = {
        host.number: iter(await _named(facts, host, [entry for owner, entry in best if owner is host]))
        for host in {owner.number: owner for owner, _ in best}.values()
    }
    return FleetTopList(
        from_ms=begin,
        to_ms=end,
        processes=[
            FleetTop(host_id=host.host_id, host=host.name, process=next(named[host.number]))
            for host, _ in best
        ],
    )


def _ranked(found: Mapping[K, S], by: By, limit: int) -> list[tuple[K, S]]:
    """The first `limit` that did anything; ties in the order of their keys."""
    ranked = sorted(found.items(), key=lambda entry: (-entry[1].worth(by), entry[0]))
    return [entry for entry in ranked[:limit] if entry[1].worth(by) > 0]


async def _grouped(facts: Facts, sums: _Sums, group: str, span: tuple[int, int]) -> dict[str, _GroupSum]:
    boots = sorted({boot for boot, _ in sums.by_life})
    aggregates = await facts.exits.groups(boots, *span)
    starts: dict[int, list[int]] = {}
    for boot, (start_ns, _) in sums.by_life:
        starts.setdefault(boot, []).append(start_ns)
    for row in aggregates:
        starts.setdefault(row.boot, []).append(row.parent_start_ns)
    names = {boot: await facts.images.texts(boot, wanted, group) for boot, wanted in starts.items()}
    groups: dict[str, _GroupSum] = {}
    for (boot, key), life in sums.by_life.items():
        groups.setdefault(names[boot].get(key, ""), _GroupSum()).add_life(life)
    for row in aggregates:
        # An aggregate has a name; its other texts are taken from the parent.
        parent = names[row.boot].get((row.parent_start_ns, row.ppid), "")
        label = row.name or parent if group == "name" else parent
        groups.setdefault(label, _GroupSum()).add_aggregate(row)
    return groups


def _group(name: str, found: _GroupSum) -> TopGroup:
    return TopGroup(
        name=name,
        lives=found.lives,
        cpu_s=found.cpu_ns / 1e9,
        rss_peak=known_peak(found.rss_peak),
        read_bytes=found.read_bytes,
        write_bytes=found.write_bytes,
    )


async def _by_minutes(facts: Facts, host: HostRow, from_ms: int, to_ms: int, sums: _Sums) -> None:
    first, last = -(-from_ms // MINUTE_MS) * MINUTE_MS, to_ms // MINUTE_MS * MINUTE_MS
    for row in await facts.rollups.process_sums(host.number, first, last):
        sums.add_row(row)
    for begin, end in ((from_ms, first), (last, to_ms)):
        if begin < end:
            blocks = await facts.blocks.between(host.number, begin, end, tasks=True)
            await asyncio.to_thread(sums.add_blocks, blocks, begin, end)
    # Minutes list only active processes: idle ones are found at the beginning and the end of the range.
    for begin, end in ((first, first + MINUTE_MS // 6), (last - MINUTE_MS // 6, last)):
        blocks = await facts.blocks.between(host.number, begin, end, tasks=True)
        peaks = _Sums()
        await asyncio.to_thread(peaks.add_blocks, blocks, begin, end, counters=False)
        for (boot, key), found in peaks.by_life.items():
            sums.add(boot, key, 0, found.rss_peak, 0, 0)


async def _named(facts: Facts, host: HostRow, chosen: list[tuple[tuple[int, Key], _Sum]]) -> list[Top]:
    boots = await facts.lives.boots(host.number)
    starts: dict[int, list[int]] = {}
    for (boot, (start_ns, _)), _sum in chosen:
        starts.setdefault(boot, []).append(start_ns)
    images = {boot: await facts.images.at(boot, wanted, 2**63 - 1) for boot, wanted in starts.items()}
    lives = {boot: await facts.lives.rows(boot, wanted) for boot, wanted in starts.items()}
    found = []
    for (boot, key), entry in chosen:
        image, life = images[boot].get(key), lives[boot].get(key)
        boot_id, booted_ms = boots[boot]
        ended = bool(life and life.ended)
        found.append(
            Top(
                boot_id=boot_id,
                pid=key[1],
                start_ns=str(key[0]),
                name=image.name if image else "",
                cmdline=image.cmdline if image else "",
                user=image.user if image else "",
                unit=image.unit if image else "",
                container=image.container if image else "",
                pod=image.pod if image else "",
                slice=image.slice if image else "",
                cpu_s=entry.cpu_ns / 1e9,
                rss_peak=known_peak(entry.rss_peak),
                read_bytes=entry.read_bytes,
                write_bytes=entry.write_bytes,
                first_ms=life.first_ms if life else booted_ms + key[0] // 1_000_000,
                last_ms=(life.last_ms if ended and life else None) or host.last_ms or 0,
                ended=ended,
                exit_code=life.exit_code if ended and life else None,
                exit_signal=life.exit_signal if ended and life else None,
                cause=life.cause if ended and life else "",
            )
        )
    return found
