"""A record of many days for a hundred hosts: one with all its seconds, the others with hours and lives.

The seconds are one recorded hour, told again for each hour of the days with its times moved: to pack a
month anew would take a day. Rows go past the store's own writing, too; their form is the same.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench._recorded import moved_payloads
from tukur.blocks import BlockBuilder
from tukur.hub.store.schema import FIGURES
from tukur.hub.store.search_tokens import COMMAND_TEXTS, command_hash, search_tokens
from tukur.records import Snapshot

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
SECOND = 1_000_000_000
HOSTS = 100
ACTIVE = 60
"""Processes of a host that do something in an hour; a third of them in any one minute."""
LIVES_A_DAY = 300
"""Short lives of one host in a day."""
COMMANDS = 5000


class Month:
    """Days of history, the newest first; `began_ms` is a whole hour."""

    def __init__(self, path: Path, hour: Iterable[Snapshot], end_ms: int, hosts: int = HOSTS) -> None:
        self._hosts = hosts
        self._database = sqlite3.connect(path)
        self._database.execute("PRAGMA synchronous=OFF")
        self._database.execute("PRAGMA foreign_keys=OFF")
        self._blocks = list(_blocks(hour))
        self._end_ms = end_ms
        self._dice = np.random.default_rng(11)

    def begin(self) -> None:
        """Boots and commands."""
        boots = [
            (host, host, f"{host:08d}-2222-3333-4444-555555555555", self._end_ms - 40 * DAY_MS)
            for host in range(1, self._hosts + 1)
        ]
        self._insert("boot", ("id", "host", "boot_id", "booted_ms"), boots)
        for number in range(1, COMMANDS + 1):
            texts = dict.fromkeys(COMMAND_TEXTS, "") | {
                "uid": 1000,
                "name": f"tool{number % 97}",
                "exe": f"/usr/bin/tool{number % 97}",
                "cmdline": f"tool{number % 97} --input /srv/data/part-{number}.csv --level {number % 7}",
                "user": f"user{number % 13}",
                "unit": f"job-{number % 29}.service",
            }
            row = {**texts, "id": number, "hash": command_hash(texts), "used_ms": self._end_ms}
            self._insert("command", tuple(row), [tuple(row.values())])
            self._insert(
                "command_word", ("word", "command"), [(word, number) for word in search_tokens(texts)]
            )
        self._database.commit()

    def add(self, first_day: int, last_day: int) -> None:
        """The days that many days before the end, from `first_day` (0: the newest) up to `last_day`."""
        begin, end = self._end_ms - last_day * DAY_MS, self._end_ms - first_day * DAY_MS
        hours = range(begin, end, HOUR_MS)
        for hour_ms in hours:
            self._insert_blocks(hour_ms)
        self._figures("host_hour", "hour_ms", [1], hours, HOUR_MS)
        self._figures("host_minute", "minute_ms", [1], range(begin, end, MINUTE_MS), MINUTE_MS)
        self._sums("process_minute", "minute_ms", [1], range(begin, end, MINUTE_MS), ACTIVE // 3)
        self._sums("process_hour", "hour_ms", range(1, self._hosts + 1), hours, ACTIVE)
        if first_day == 0:
            recent = range(self._end_ms - 2 * HOUR_MS, self._end_ms, MINUTE_MS)
            self._sums("process_minute", "minute_ms", range(2, self._hosts + 1), recent, ACTIVE // 3)
        rows = [(host, hour_ms, 0) for host in range(1, self._hosts + 1) for hour_ms in hours]
        self._insert("recorded_hour", ("host", "hour_ms", "stale"), rows)
        self._lives(begin, end)
        self._database.commit()

    def settle(self) -> None:
        """Moves the log into the file."""
        self._database.commit()
        self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Ends it."""
        self._database.close()

    def _insert(self, table: str, names: Iterable[str], rows: Iterable[tuple[Any, ...]]) -> None:
        columns = tuple(names)
        marks = ", ".join("?" * len(columns))
        quoted = ", ".join(f'"{name}"' for name in columns)
        self._database.executemany(f'insert into "{table}" ({quoted}) values ({marks})', rows)

    def _insert_blocks(self, hour_ms: int) -> None:
        boot_begin_ms = self._end_ms - 40 * DAY_MS
        rows = []
        for at, (tasks, host, samples, lives) in enumerate(self._blocks):
            first_ms = hour_ms + at * MINUTE_MS
            first_ns = (first_ms - boot_begin_ms) * 1_000_000
            last_ms = first_ms + (samples - 1) * 1000
            rows.append(
                (
                    *(
                        1,
                        first_ns,
                        first_ns + (samples - 1) * SECOND,
                        1,
                        first_ms,
                        last_ms,
                        samples,
                        lives,
                        0,
                    ),
                    *(*moved_payloads(tasks, host, first_ms * 1_000_000, first_ns),),
                )
            )
        names = "boot first_ns last_ns host first_ms last_ms samples lives missed tasks host_columns"
        self._insert("block", names.split(), rows)

    def _figures(self, table: str, time: str, hosts: Iterable[int], times: range, span_ms: int) -> None:
        names = [f"{figure}_{part}" for figure in FIGURES for part in ("low", "high", "total")]

        def rows() -> Iterator[tuple[Any, ...]]:
            for host in hosts:
                for at in times:
                    means = self._dice.random(len(FIGURES))
                    values = np.stack([means / 2, means * 2, means * span_ms / 1000], axis=1).reshape(-1)
                    yield host, at, span_ms // 1000, *values.tolist()

        self._insert(table, ("host", time, "samples", *names), rows())

    def _sums(self, table: str, time: str, boots: Iterable[int], times: range, active: int) -> None:
        def rows() -> Iterator[tuple[Any, ...]]:
            for boot in boots:
                for at in times:
                    starts = self._dice.choice(ACTIVE * 3, active, replace=False)
                    cpu = self._dice.exponential(1e9, active).astype(np.int64).tolist()
                    for start, spent in zip(sorted(starts.tolist()), cpu, strict=True):
                        yield (
                            boot,
                            at,
                            start * SECOND,
                            start + 2,
                            spent,
                            spent // 7,
                            spent // 100,
                            spent // 200,
                        )

        names = ["cpu_ns", "rss_peak", "read_bytes", "write_bytes"]
        self._insert(table, ("boot", time, "start_ns", "pid", *names), rows())

    def _lives(self, begin: int, end: int) -> None:
        number = LIVES_A_DAY * (end - begin) // DAY_MS
        for boot in range(1, self._hosts + 1):
            since = np.sort(self._dice.choice((end - begin) // 10, number, replace=False)) * 10 + begin
            start = ((since - (self._end_ms - 40 * DAY_MS)) * 1_000_000).tolist()
            commands = self._dice.integers(1, COMMANDS + 1, number).tolist()
            pids = self._dice.integers(1000, 30_000, number).tolist()
            keys = list(zip([boot] * number, start, pids, since.tolist(), commands, strict=True))
            names = "boot start_ns pid ppid kthread first_ms last_ms ended"
            self._insert(
                "process",
                (*names.split(), "cpu_ns", "rss_peak", "read_bytes", "write_bytes"),
                [
                    (boot, ns, pid, 1, 0, ms, ms + 500, 1, 10**8, 1 << 20, 0, 0)
                    for boot, ns, pid, ms, _ in keys
                ],
            )
            self._insert(
                "image",
                ["boot", "start_ns", "pid", "since_ns", "since_ms", "command"],
                [(boot, ns, pid, ns, ms, command) for boot, ns, pid, ms, command in keys],
            )


def _blocks(hour: Iterable[Snapshot]) -> Iterator[tuple[bytes, bytes, int, int]]:
    builder = BlockBuilder()
    for at, snapshot in enumerate(hour, 1):
        builder.add(snapshot)
        if at % 60 == 0:
            encoded = builder.finish()
            yield encoded.tasks, encoded.host, encoded.samples, encoded.lives
