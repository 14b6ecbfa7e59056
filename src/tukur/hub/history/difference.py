"""What is another at a second instant than at a first."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from tukur.hub.models.history import Changed
from tukur.records import ENDED, TaskArray, comm_text, rss_of

DifferenceBy = Literal["rss", "cpu", "io"]
_COUNTERS = ("cpu_ns", "read_bytes", "write_bytes")
Life = tuple[str, int, int]
"""(boot_id, start_ns, pid)."""


def living(tasks: TaskArray) -> TaskArray:
    """Without those that had just ended."""
    kept: TaskArray = tasks[(tasks["flags"] & ENDED) == 0]
    return kept


def compare_tables(
    first: tuple[str, TaskArray], second: tuple[str, TaskArray], images: Mapping[Life, Any], by: DifferenceBy
) -> list[Changed]:
    """Every life of two tables, given as (boot_id, tasks), those that changed most first."""
    before, after = _rows(*first), _rows(*second)
    found = []
    for key in before.keys() | after.keys():
        old, new = before.get(key), after.get(key)
        shown: Any = new if new is not None else old
        image = images.get(key)
        grown = {
            name: (0 if new is None else new[name]) - (0 if old is None else old[name])
            for name in ("rss", *_COUNTERS)
        }
        spent = {name: max(grown[name], 0) if new is not None else 0 for name in _COUNTERS}
        found.append(
            Changed(
                pid=key[2],
                start_ns=str(key[1]),
                boot_id=key[0],
                name=shown["name"] or (image.name if image else ""),
                cmdline=image.cmdline if image else "",
                user=image.user if image else "",
                unit=image.unit if image else "",
                change="appeared" if old is None else "gone" if new is None else "stayed",
                cpu_s=spent["cpu_ns"] / 1e9,
                rss=shown["rss"],
                rss_growth=grown["rss"],
                read_bytes=spent["read_bytes"],
                write_bytes=spent["write_bytes"],
            )
        )
    return sorted(found, key=lambda entry: (-_worth(entry, by), entry.pid, entry.start_ns))


def _rows(boot_id: str, tasks: TaskArray) -> dict[Life, dict[str, Any]]:
    names = ("start_ns", "pid", "comm", *_COUNTERS)
    columns = zip(*(tasks[name].tolist() for name in names), np.asarray(rss_of(tasks)).tolist(), strict=True)
    return {
        (boot_id, start_ns, pid): {
            "name": comm_text(comm),
            "cpu_ns": cpu_ns,
            "read_bytes": read,
            "write_bytes": write,
            "rss": rss,
        }
        for start_ns, pid, comm, cpu_ns, read, write, rss in columns
    }


def _worth(entry: Changed, by: DifferenceBy) -> float:
    match by:
        case "rss":
            return abs(entry.rss_growth)
        case "cpu":
            return entry.cpu_s
        case "io":
            return entry.read_bytes + entry.write_bytes
