"""CPU time of children that no reading saw, by what their parents waited for (cutime, cstime). Pure."""

from collections import defaultdict

import numpy as np

from tukur.records import GROUP, GROUP_EVENT, GroupArray


class ReapedChildrenCpu:
    """Compares what a parent was charged for its reaped children with what was seen of them.

    /proc has one sum for all of them and theirs, in clock ticks; not who they were or how many.
    """

    def __init__(self) -> None:
        self._grown: dict[tuple[int, int], tuple[int, int]] = {}
        self._seen: defaultdict[int, int] = defaultdict(int)
        self._carried: dict[int, int] = {}
        self._gone: dict[int, int] = {}

    def grew(self, pid: int, start_ns: int, uid: int, ns: int) -> None:
        """This parent was charged for so much more of its children's CPU time, nanoseconds."""
        before = self._grown.get((pid, start_ns), (0, 0))[0]
        self._grown[(pid, start_ns)] = (before + ns, uid)

    def child_gone(self, pid: int, ppid: int, ns: int) -> None:
        """A child of that parent is gone, which was seen to use so much, its own children's included."""
        self._seen[ppid] += ns
        self._gone[pid] = ppid

    def _hand_up(self) -> None:
        """What was seen of a child whose parent is gone too was charged to the parent's parent."""
        for pid in [pid for pid in self._gone if pid in self._seen]:
            heir, seen = pid, self._seen.pop(pid, 0)
            # A PID may be used again, so that a chain of them could lead back to its beginning.
            for _ in range(len(self._gone)):
                if heir not in self._gone:
                    break
                heir = self._gone[heir]
            self._seen[heir] += seen
        self._gone.clear()

    def take(self, now_ns: int) -> GroupArray:
        """For each parent the CPU time of reaped children that no reading saw, as a group without a name."""
        self._hand_up()
        rows = []
        carried = {}
        for (pid, start_ns), (grown, uid) in self._grown.items():
            seen = self._seen.pop(pid, 0) + self._carried.pop(pid, 0)
            if grown > seen:
                times = (now_ns, start_ns, GROUP.itemsize, GROUP_EVENT, now_ns)
                rows.append((*times, 0, grown - seen, 0, 0, 0, pid, uid, b"", 0))
            elif seen > grown:
                carried[pid] = seen - grown
        # The parent may have been read just before its child was gone: then it grows at the next reading.
        self._carried = {**self._seen, **carried}
        self._seen.clear()
        self._grown.clear()
        return np.array(rows, dtype=GROUP)
