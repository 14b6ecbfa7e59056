"""Which processes are in the scope of an order now: a tree, a cgroup with its descendants, a unit."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tukur.protocol.messages import Scope
from tukur.sources.identity import unit_of
from tukur.sources.proc import list_pids, read_cgroup, read_stat


@dataclass(frozen=True, slots=True)
class Place:
    """The parent and cgroup of one process."""

    ppid: int
    cgroup: str


def places() -> dict[int, Place]:
    """Every process there is, by PID; takes some 50 microseconds for each."""
    found = {}
    for pid in list_pids():
        stat = read_stat(pid)
        if stat is not None:
            found[pid] = Place(stat.ppid, read_cgroup(pid, main_ended=stat.main_ended))
    return found


def pids_in_scope(scope: Scope, pid: int, of: str, known: Mapping[int, Place]) -> list[int]:
    """PIDs in the scope, the target first, parents before children."""
    if scope == "process":
        return [pid]
    tree = descendants(pid, {each: place.ppid for each, place in known.items()})
    if scope == "tree":
        return tree
    inside = _in_cgroup(of, known) if scope == "cgroup" else _in_unit(of, known)
    return [*(each for each in tree if each in inside), *sorted(inside.difference(tree))]


def descendants(root: int, parents: Mapping[int, int]) -> list[int]:
    """The root and all its descendants, each after its parent."""
    children: dict[int, list[int]] = {}
    for pid, ppid in parents.items():
        children.setdefault(ppid, []).append(pid)
    found, seen = [root], {root}
    for pid in found:
        fresh = [child for child in sorted(children.get(pid, ())) if child not in seen]
        seen.update(fresh)
        found += fresh
    return found


def _in_cgroup(path: str, known: Mapping[int, Place]) -> set[int]:
    below = path.rstrip("/") + "/"
    return {pid for pid, place in known.items() if place.cgroup == path or place.cgroup.startswith(below)}


def _in_unit(unit: str, known: Mapping[int, Place]) -> set[int]:
    units: dict[str, str] = {}
    for place in known.values():
        if place.cgroup not in units:
            units[place.cgroup] = unit_of(place.cgroup)
    return {pid for pid, place in known.items() if units[place.cgroup] == unit}


def most_frequent(names: Iterable[str], limit: int) -> list[str]:
    """The most frequent names, each once, in falling order."""
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return sorted(counts, key=lambda name: (-counts[name], name))[:limit]
