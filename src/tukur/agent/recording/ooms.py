"""OOM kills: which life the PID in the kernel's log belongs to."""

from collections.abc import Sequence

import msgspec

from tukur.protocol.messages import Ended, OomKill
from tukur.records import TaskArray
from tukur.sources.oom import Kill

_SLACK_NS = 50_000_000
"""The log's clock is not the boot clock to the nanosecond, nor is a start in clock ticks."""
_MOST = 1000
"""Kills that one block may hold (messages.Block), and that wait for their ends."""


class Ooms:
    """Gathers a block's kills, and marks the ends that belong to them."""

    def __init__(self) -> None:
        self._kills: list[OomKill] = []
        self._victims: dict[tuple[int, int], None] = {}

    def add(self, kills: Sequence[Kill], tables: Sequence[TaskArray]) -> None:
        """Notes these kills; `tables`: where the victims may stand, the likeliest first."""
        for kill in kills[-_MOST:]:
            start_ns = _life(kill, tables)
            if start_ns:
                self._victims[(kill.pid, start_ns)] = None
            self._kills.append(
                OomKill(
                    at_ns=kill.at_ns,
                    at_wall_ns=kill.at_wall_ns,
                    pid=kill.pid,
                    start_ns=start_ns,
                    name=kill.name,
                    uid=kill.uid,
                    constraint=kill.constraint,
                    memcg=kill.memcg[:4096],
                    task_memcg=kill.task_memcg[:4096],
                    trigger=kill.trigger,
                    rss=kill.rss,
                    text=kill.text,
                )
            )
        while len(self._victims) > _MOST:
            del self._victims[next(iter(self._victims))]

    def flush(self, ended: list[Ended]) -> tuple[list[OomKill], list[Ended]]:
        """The block's kills, and its ends, those of victims with their cause. A new block begins."""
        kills, self._kills = self._kills[-_MOST:], []
        if self._victims:
            ended = [self._with_cause(entry) for entry in ended]
        return kills, ended

    def _with_cause(self, entry: Ended) -> Ended:
        key = (entry.pid, entry.start_ns)
        if key not in self._victims:
            return entry
        # It may end in a later block than the one that has its kill: to die can take seconds.
        del self._victims[key]
        return msgspec.structs.replace(entry, cause="oom")


def _life(kill: Kill, tables: Sequence[TaskArray]) -> int:
    """start_ns of the life that had the PID when it was killed; 0: nobody knows it."""
    for tasks in tables:
        starts = tasks["start_ns"][tasks["pid"] == kill.pid]
        before = starts[starts <= kill.at_ns + _SLACK_NS]
        if len(before):
            return int(before.max())
    return 0
