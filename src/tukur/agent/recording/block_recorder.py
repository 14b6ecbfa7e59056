"""Turns snapshots into blocks: columns, roll-ups, new images, ended lives."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from tukur.agent.clock import SECOND, Instant
from tukur.agent.frames import RowKeeper, top_of
from tukur.agent.recording.accounts import Accounts
from tukur.agent.recording.departures import Quota, limited, with_departed
from tukur.agent.recording.images import Images
from tukur.agent.recording.ooms import Ooms
from tukur.blocks import MAX_SAMPLES, BlockBuilder, DeviceRollup, DeviceSum, HostRollup
from tukur.protocol.messages import (
    CLOCK_SET_NS,
    GAP_NS,
    Block,
    DeviceMinute,
    HostMinute,
    Image,
    LifeGroup,
    Lost,
    MinMaxMean,
)
from tukur.records import (
    TASK,
    Departed,
    DeviceRates,
    GroupArray,
    HostRates,
    Interval,
    Losses,
    Snapshot,
    TaskArray,
    bounded_groups,
    comm_text,
    compare,
    living_count,
    merge_groups,
    rates_of,
)
from tukur.sources.oom import Kill

FLUSH_S = 10
"""Seconds of recording in one block, aligned to the wall clock: the most that a crash can cost.

Measured on a mixed load (``python -m bench block``): a block costs one key row for each process, so
longer ones are smaller per sample; ten seconds is what the promise allows. It divides a minute, so
every block lies within one."""


_NAME = 91
"""Characters of a device's name."""
_MOST_GROUPS = 1000
"""Groups of lives in one block."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """One snapshot with all that is derived from it."""

    snapshot: Snapshot
    """With the lives that ended since the one before."""
    rates: HostRates
    devices: list[DeviceRates]
    rows: Any
    """An array of ``records.ROW``; None: not asked for."""
    top: list[tuple[int, str, float, int]]
    """See :func:`top_of`."""
    fresh: list[Image]
    """Images that are new with this snapshot, to be shown."""


class BlockRecorder:
    """Owns the block that is being built."""

    def __init__(self, boot_id: str, images: Images) -> None:
        self._boot_id = boot_id
        self._images = images
        self._builder = BlockBuilder()
        self._accounts = Accounts()
        self._quota = Quota()
        self._ooms = Ooms()
        self._rollup = HostRollup()
        self._devices = DeviceRollup()
        self._rows = RowKeeper()
        self._fresh: list[Image] = []
        self._groups: list[GroupArray] = []
        self._lost = Losses()
        self._missed = 0
        self._first_of_run = True
        self._first_ns = 0
        self._last: Snapshot | None = None

    @property
    def newest(self) -> Snapshot | None:
        """The last snapshot added."""
        return self._last

    def add(
        self,
        snapshot: Snapshot,
        missed: int,
        departed: Departed | None = None,
        kills: Sequence[Kill] = (),
        *,
        rows: bool = True,
    ) -> Sampled:
        """Records one snapshot; `missed` samples were due and not taken before it.

        `departed`: the lives that ended since the one before; they are in the snapshot that is returned.
        `kills`: processes killed by the OOM killer since then. `rows`: whether the table is wanted.
        """
        before = self._last
        previous = before.tasks if before is not None else np.empty(0, dtype=TASK)
        departed = self._limited(departed or Departed(), previous, snapshot.boot_ns)
        snapshot = replace(snapshot, tasks=with_departed(snapshot.tasks, departed, previous))
        interval = _interval(snapshot, before)
        rates = rates_of(interval)
        change = compare(snapshot.tasks, previous)
        self._accounts.add(snapshot, change, departed)
        fresh = self._images.add(snapshot, change, previous, departed)
        if kills:
            self._ooms.add(kills, (departed.tasks, snapshot.tasks, previous))
        self._groups.append(departed.groups)
        self._lost += departed.lost
        if self._builder.samples == 0:
            self._first_ns = snapshot.boot_ns
        self._builder.add(snapshot, change)
        self._rollup.add(rates)
        self._devices.add(interval.devices)
        self._fresh.extend(fresh.recorded)
        self._missed += missed
        self._last = snapshot
        table = self._rows.update(snapshot, before, change) if rows else None
        return Sampled(
            snapshot, rates, interval.devices, table, top_of(snapshot, before, change), fresh.shown
        )

    def _limited(self, departed: Departed, previous: TaskArray, boot_ns: int) -> Departed:
        limit = self._quota.limit(boot_ns)
        if len(departed.tasks):
            departed = limited(departed, previous, limit)
            self._quota.spend(len(departed.tasks))
        return departed

    def due(self) -> bool:
        """Whether the block must be closed: its ten seconds are over, or it is full."""
        if self._last is None or self._builder.samples == 0:
            return False
        into = self._last.wall_ns // SECOND % FLUSH_S
        age_ns = self._last.boot_ns - self._first_ns
        return into == FLUSH_S - 1 or age_ns >= (FLUSH_S - 1) * SECOND or self._builder.samples >= MAX_SAMPLES

    def clock_stepped(self, at: Instant) -> bool:
        """Whether somebody set the wall clock since the last sample: the block then ends with that one.

        Within a block both clocks keep their distance, so that one figure puts all its times right.
        """
        if self._last is None or self._builder.samples == 0:
            return False
        distance = self._last.wall_ns - self._last.boot_ns
        return abs(at.wall_ns - at.boot_ns - distance) > CLOCK_SET_NS

    def interrupted(self, at: Instant) -> bool:
        """Whether there is a gap since the last sample: the block ends with that one, within its minute."""
        return self._last is not None and at.boot_ns - self._last.boot_ns > GAP_NS

    def flush(self) -> Block | None:
        """The block; None where nothing was sampled since the last one."""
        if self._builder.samples == 0:
            return None
        encoded = self._builder.finish()
        ended, process_minutes = self._accounts.flush()
        ooms, ended = self._ooms.flush(ended)
        samples = self._rollup.samples
        figures = {name: MinMaxMean(*values) for name, values in self._rollup.finish().items()}
        block = Block(
            boot_id=self._boot_id,
            first_ns=encoded.first_ns,
            last_ns=encoded.last_ns,
            first_wall_ns=encoded.first_wall_ns,
            last_wall_ns=encoded.last_wall_ns,
            samples=encoded.samples,
            lives=encoded.lives,
            missed=self._missed,
            tasks=encoded.tasks,
            host=encoded.host,
            images=self._images.settled(self._fresh),
            ended=ended,
            host_minute=HostMinute(samples=samples, figures=figures),
            process_minutes=process_minutes,
            groups=_life_groups(bounded_groups(merge_groups(self._groups), _MOST_GROUPS)),
            lost=_lost(self._lost),
            ooms=ooms,
            first_of_run=self._first_of_run,
            devices=[_device_minute(each) for each in self._devices.finish()],
        )
        self._groups, self._lost = [], Losses()
        self._fresh, self._missed, self._first_of_run = [], 0, False
        return block


def _interval(snapshot: Snapshot, before: Snapshot | None) -> Interval:
    previous = before if before is not None else snapshot
    seconds = (snapshot.boot_ns - previous.boot_ns) / SECOND
    return Interval(snapshot.host, previous.host, seconds, living_count(snapshot.tasks))


def _device_minute(device: DeviceSum) -> DeviceMinute:
    # A kernel's name has at most 32 bytes, each of which may become four characters.
    return DeviceMinute(**asdict(device) | {"name": device.name[:_NAME]})


def _life_groups(groups: GroupArray) -> list[LifeGroup]:
    names = (
        *("ppid", "start_ns", "comm", "uid", "lives", "cpu_ns"),
        *("rss_peak", "peaks", "read_bytes", "write_bytes"),
    )
    return [
        LifeGroup(
            ppid=ppid,
            parent_start_ns=start_ns,
            name=comm_text(comm),
            uid=uid,
            lives=lives,
            cpu_ns=cpu_ns,
            rss_peak=rss_peak if peaks else None,
            read_bytes=read,
            write_bytes=write,
        )
        for ppid, start_ns, comm, uid, lives, cpu_ns, rss_peak, peaks, read, write in zip(
            *(groups[name].tolist() for name in names), strict=True
        )
    ]


def _lost(losses: Losses) -> Lost | None:
    if not losses:
        return None
    return Lost(execs=losses.execs, lives=losses.lives, cpu_ns=losses.cpu_ns, finals=losses.finals)
