"""Answers what was, and what is: hosts, series, tables, top lists, single lives."""

import asyncio
import math
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from msgspec import convert, structs, to_builtins

from tukur.blocks import Table, decode_table
from tukur.hub.auth.identity import Sees
from tukur.hub.bus import Bus, NobodyThereError, agent_of
from tukur.hub.cloud.verdict import state_of
from tukur.hub.errors import ProblemError
from tukur.hub.history import devices, difference, lives, series, table, top
from tukur.hub.history.cache import HostPoints, device_points
from tukur.hub.history.difference import DifferenceBy
from tukur.hub.history.exits import Only, exits
from tukur.hub.history.gaps import gaps
from tukur.hub.history.instants import Moment, is_exact, moments_of, span_of
from tukur.hub.history.ooms import ooms
from tukur.hub.history.top import By, Group
from tukur.hub.history.totals import seconds
from tukur.hub.hosts.presence import HostState, Presence
from tukur.hub.live import Live
from tukur.hub.models.exit import Exits, OomKills
from tukur.hub.models.history import Devices, Difference, FleetTopList, Lives, Series, TopList
from tukur.hub.models.host import Host, HostInstance, HostPolicy, IdentityConflict
from tukur.hub.models.process import ProcessDetail, ProcessSet, ProcessTable, Relative, SecondSample
from tukur.hub.models.record import RecordGaps
from tukur.hub.store.control.identity_conflicts import IdentityConflictRow
from tukur.hub.store.control.instances import InstanceRow
from tukur.hub.store.record.blocks import BlockRow
from tukur.hub.store.record.exits import ExitCursor
from tukur.hub.store.record.lives import LifeQuery
from tukur.hub.store.record.rollups import HOUR_MS, MINUTE_MS
from tukur.hub.store.store import HostRow, Store
from tukur.protocol import messages
from tukur.protocol.frames import decode_frame, encode_frame
from tukur.protocol.messages import HostFacts, ProcessKey
from tukur.records import HostRates, comm_text, task_rows

NOW_S = 2.5
"""How long the agent has for a key frame: one sample, and a little."""
INSPECT_S = 2.0
SECONDS_MS = 30 * 60_000
"""Up to this long a series is made of single seconds, beyond of minutes."""

SETTLED_MS = 60_000
"""Before its newest sample by so much a host's record is taken for complete."""

_MAX_HOLES = 1000
"""Drawn in one chart."""

_END_NS = 2**63 - 1
"""The last instant of 64-bit nanoseconds: in the year 2262."""

_NO_FACTS = HostFacts(
    hostname="",
    kernel="",
    os="",
    architecture="",
    cpus=1,
    mem_total=0,
    boot_id=str(uuid.UUID(int=0)),
    booted_wall_ns=0,
    agent_version="",
    source="",
    blind_spots=[],
    signals=[],
)
"""Of a host that was enrolled and never connected."""


@dataclass(frozen=True, slots=True)
class Found:
    """One table of the record."""

    row: BlockRow
    table: Table
    boot_id: str
    booted_ms: int
    host: HostRates | None
    samples: list[SecondSample]
    """All of its second, in the order in which they were taken."""

    @property
    def at_ms(self) -> int:
        """When it was sampled."""
        return self.table.wall_ns // 1_000_000


class History:
    """Reads the store; asks the agent for what is only there."""

    def __init__(self, store: Store, bus: Bus, presence: Presence, live: Live) -> None:
        self._store = store
        self._facts = store.facts
        self._bus = bus
        self._presence = presence
        self._live = live
        self._points = HostPoints()

    # --- hosts

    async def hosts(self, sees: Sees, *, left: bool = True) -> list[Host]:
        """Every enrolled host that the asker sees; `left`: also those whose machine is no more."""
        conflicts = await self._store.control.identity_conflicts.pending()
        rows = await self._seen(sees, left=left)
        return [_host(row, self._presence.get(row.host_id), conflicts) for row in rows]

    async def left(self, sees: Sees) -> int:
        """How many hosts that the asker sees have left."""
        found = await self._store.control.instances.left()
        return sum(count for groups, count in found if sees(groups))

    async def host(self, host_id: str) -> Host:
        """One host. Raises ProblemError (404)."""
        return _host(
            await self._row(host_id),
            self._presence.get(host_id),
            await self._store.control.identity_conflicts.pending(),
        )

    async def _seen(self, sees: Sees, *, left: bool = True) -> list[HostRow]:
        return [row for row in await self._store.hosts(left=left) if sees(row.groups)]

    async def _row(self, host_id: str) -> HostRow:
        rows = await self._store.hosts(host_id)
        if not rows:
            raise _unknown(host_id)
        return rows[0]

    # --- series

    async def series(self, host_id: str, begin: int, end: int, points: int) -> Series:
        """The host's figures over [begin, end). Raises ProblemError (404)."""
        host = await self._row(host_id)
        if end - begin > SECONDS_MS or (host.first_ms or 0) >= end:
            return await self._rollups(host.number, begin, end, points)
        blocks = await self._facts.blocks.between(host.number, begin, end, tasks=False)
        found = {point.wall_ns // 1_000_000: asdict(point.rates) for point in await self._points.of(blocks)}
        # The newest seconds are not recorded yet: the heartbeats have them.
        state = self._presence.get(host_id)
        newest = max(found, default=0)
        shift_ns = self._presence.shift_ns(host_id)
        for beat in state.recent if state is not None else ():
            at_ms = (beat.wall_ns + shift_ns) // 1_000_000
            if at_ms > newest:
                found[at_ms] = dict(beat.rates)
        times = sorted(at for at in found if begin <= at < end)
        values = {name: [_number(found[at].get(name)) for at in times] for name in series.FIGURES}
        return series.of_samples(times, values, begin, end, points)

    async def _rollups(self, host_no: int, begin: int, end: int, points: int) -> Series:
        unit = await self._unit(host_no, begin, end, points)
        rows = await self._facts.rollups.figures(host_no, begin - begin % unit, end, coarse=unit == HOUR_MS)
        holes = await self._facts.gaps.holes(host_no, begin, end, _MAX_HOLES)
        return series.of_rollups(rows, begin, end, points, unit, holes)

    async def _unit(self, host_no: int, begin: int, end: int, points: int) -> int:
        """Whether a range is made of minutes or of hours: what is kept of it, and fine enough."""
        coarse = series.step_ms(begin, end, points, MINUTE_MS) >= HOUR_MS
        return HOUR_MS if coarse or not await self._facts.rollups.has_minutes(host_no, begin) else MINUTE_MS

    async def devices(self, host_id: str, begin: int, end: int, points: int, limit: int) -> Devices:
        """Each disk and interface over [begin, end). Raises ProblemError (404)."""
        host = await self._row(host_id)
        if end - begin > SECONDS_MS or (host.first_ms or 0) >= end:
            unit = await self._unit(host.number, begin, end, points)
            rows = await self._facts.rollups.devices(
                host.number, begin - begin % unit, end, coarse=unit == HOUR_MS
            )
            entries = devices.of_rows(rows)
        else:
            blocks = await self._facts.blocks.between(host.number, begin, end, tasks=False)
            seconds = await device_points(blocks)
            entries = [
                entry
                for wall_ns, found in seconds
                if begin <= wall_ns // 1_000_000 < end
                for entry in devices.of_sample(wall_ns // 1_000_000, found)
            ]
            unit = 1000
        return devices.over_time(entries, begin, end, points=points, unit=unit, limit=limit)

    # --- tables

    async def table(self, host_id: str, at_ms: int | None, boot_ns: int | None = None) -> ProcessTable:
        """The process table at an instant, or now. Raises ProblemError (404).

        `boot_ns`: which sample of that second, where there are several.
        """
        if at_ms is None:
            now = await self._live.key_frame(host_id, NOW_S)
            if now is not None:
                return self._table_now(now, host_id)
        asked = at_ms if at_ms is not None else _now_ms()
        found = await self._find(host_id, asked, boot_ns)
        rows, images = await self._rows(found)
        names = [comm_text(comm) for comm in found.table.tasks["comm"].tolist()]
        return ProcessTable(
            asked_ms=asked,
            at_ms=found.at_ms,
            exact=is_exact(found.at_ms, asked),
            boot_id=found.boot_id,
            boot_ns=str(found.table.boot_ns),
            samples=found.samples,
            host=None if found.host is None else asdict(found.host),
            processes=table.processes(rows, names, images, found.booted_ms),
        )

    def _table_now(self, data: bytes, host_id: str) -> ProcessTable:
        frame = decode_frame(data)
        state = self._presence.get(host_id)
        shift_ms = self._presence.shift_ns(host_id) // 1_000_000
        booted_ms = state.facts.booted_wall_ns // 1_000_000 + shift_ms if state is not None else 0
        rows, images = frame.table(), table.live_images(frame)
        at_ms = int(frame.wall_ms) + shift_ms
        return ProcessTable(
            asked_ms=_now_ms(),
            at_ms=at_ms,
            exact=True,
            boot_id=frame.boot_id,
            boot_ns=None,
            samples=[],
            host=frame.host,
            processes=table.processes(rows, [""] * len(rows), images, booted_ms),
        )

    async def frame(
        self, host_id: str, at_ms: int | None, boot_ns: int | None = None
    ) -> tuple[bytes, dict[str, str]]:
        """The same as a key frame, and the headers that say what it shows. Raises ProblemError (404)."""
        asked = at_ms if at_ms is not None else _now_ms()
        if at_ms is None:
            now = await self._live.key_frame(host_id, NOW_S)
            if now is not None:
                shown_ms = int(decode_frame(now).wall_ms) + self._presence.shift_ns(host_id) // 1_000_000
                return now, {"Tukur-At-Ms": str(shown_ms), "Tukur-Exact": "true"}
        found = await self._find(host_id, asked, boot_ns)
        rows, images = await self._rows(found)
        data = encode_frame(
            seq=0,
            key=True,
            wall_ns=found.table.wall_ns,
            boot_id=found.boot_id,
            host=found.host,
            count=len(rows),
            rows=rows,
            images=table.frame_images(found.table.tasks, images),
        )
        return data, {
            "Tukur-At-Ms": str(found.at_ms),
            "Tukur-Exact": "true" if at_ms is None or is_exact(found.at_ms, asked) else "false",
            "Tukur-Boot-Ns": str(found.table.boot_ns),
            "Tukur-Samples": ",".join(sample.boot_ns for sample in found.samples),
        }

    async def tag(self, host_id: str, at_ms: int) -> str | None:
        """What is the same as long as the table at an instant is; None: that may yet change.

        Raises ProblemError (404).
        """
        host = await self._row(host_id)
        # Near the newest sample a better one may still come.
        if host.last_ms is None or at_ms > host.last_ms - SETTLED_MS:
            return None
        near = await self._facts.blocks.near(host.number, at_ms, content=False)
        if near is None:
            return None
        rows = [near, *await self._facts.blocks.located(host.number, *span_of(at_ms))]
        blocks = dict.fromkeys(f"{row.boot}.{row.first_ns}.{row.last_ms}" for row in rows)
        return "-".join([str(at_ms), *blocks])

    async def _find(self, host_id: str, at_ms: int, boot_ns: int | None = None) -> Found:
        host = await self._row(host_id)
        moments = await self._moments(host.number, at_ms)
        # Afterwards: the first block of a boot may have been stored just now.
        boots = await self._facts.lives.boots(host.number)
        samples = [SecondSample(one.at_ms, boots[one.row.boot][0], str(one.boot_ns)) for one in moments]
        if boot_ns is not None:
            moments = [moment for moment in moments if moment.boot_ns == boot_ns]
            if not moments:
                raise _no_such_sample(at_ms, boot_ns, samples)
        if not moments:
            return await self._nearest(host, at_ms)
        # Of a second that passed twice, the newer one.
        chosen = moments[-1]
        decoded = await asyncio.to_thread(
            decode_table, chosen.row.tasks, chosen.wall_ns, chosen.row.first_ms, boot_ns=chosen.boot_ns
        )
        return Found(chosen.row, decoded, *boots[chosen.row.boot], chosen.rates, samples)

    async def _moments(self, host_no: int, at_ms: int) -> list[Moment]:
        rows = await self._facts.blocks.between(host_no, *span_of(at_ms), tasks=True)
        return moments_of([(row, await self._points.of([row])) for row in rows], at_ms)

    async def _nearest(self, host: HostRow, at_ms: int) -> Found:
        row = await self._facts.blocks.near(host.number, at_ms)
        if row is None:
            raise ProblemError(404, "nothing_recorded", f"nothing is recorded yet of host {host.name}")
        decoded = await asyncio.to_thread(
            decode_table, row.tasks, min(at_ms * 1_000_000, _END_NS), row.first_ms
        )
        boots = await self._facts.lives.boots(host.number)
        points = await self._points.of([row])
        rates = next((point.rates for point in points if point.boot_ns == decoded.boot_ns), None)
        return Found(row, decoded, *boots[row.boot], rates, [])

    async def _rows(self, found: Found) -> tuple[Any, dict[tuple[int, int], Any]]:
        decoded = found.table
        rows = task_rows(decoded.tasks, decoded.previous, decoded.boot_ns, decoded.previous_boot_ns)
        starts = decoded.tasks["start_ns"].tolist()
        return rows, await self._facts.images.at(found.row.boot, starts, decoded.boot_ns)

    # --- ranges and lives

    async def top(
        self, host_id: str, begin: int, end: int, by: By, limit: int, group: Group = "process"
    ) -> TopList:
        """The top lists of a range. Raises ProblemError (404)."""
        return await top.top(self._facts, await self._row(host_id), begin, end, by, limit, group)

    async def fleet_top(self, begin: int, end: int, by: By, limit: int, sees: Sees) -> FleetTopList:
        """The top list of a range over all hosts that the user may see, in whole minutes."""
        return await top.fleet(self._facts, await self._seen(sees), begin, end, by, limit)

    async def lives(self, query: LifeQuery, host_id: str | None, limit: int, sees: Sees) -> Lives:
        """Lives by what they ran. Raises ProblemError (404) where the host is not there for the asker."""
        if host_id is not None:
            row = await self._row(host_id)
            if not sees(row.groups):
                raise _unknown(host_id)
            query = replace(query, hosts=(row.number,))
        elif not sees(()):
            query = replace(query, hosts=tuple(row.number for row in await self._seen(sees)))
        return await lives.lives(self._facts, query, limit)

    async def difference(
        self, host_id: str, begin: int, end: int, by: DifferenceBy, limit: int
    ) -> Difference:
        """What is another at `end` than at `begin`. Raises ProblemError (404)."""
        first, second = await self._find(host_id, begin), await self._find(host_id, end)
        tables = [(found.boot_id, difference.living(found.table.tasks)) for found in (first, second)]
        images = {}
        for found, (boot_id, tasks) in zip((first, second), tables, strict=True):
            starts = tasks["start_ns"].tolist()
            known = await self._facts.images.at(found.row.boot, starts, found.table.boot_ns)
            images.update({(boot_id, *key): image for key, image in known.items()})
        changed = await asyncio.to_thread(difference.compare_tables, tables[0], tables[1], images, by)
        number = Counter(entry.change for entry in changed)
        return Difference(
            from_ms=first.at_ms,
            to_ms=second.at_ms,
            appeared=number["appeared"],
            gone=number["gone"],
            stayed=number["stayed"],
            processes=changed[:limit],
        )

    async def exits(
        self, host_id: str, begin: int, end: int, only: Only, limit: int, after: ExitCursor | None
    ) -> Exits:
        """The lives that ended within a range. Raises ProblemError (404)."""
        return await exits(self._facts, await self._row(host_id), begin, end, only, limit, after)

    async def ooms(self, host_id: str, begin: int, end: int, limit: int) -> OomKills:
        """Processes killed by the OOM killer within a range. Raises ProblemError (404)."""
        return await ooms(self._facts, await self._row(host_id), begin, end, limit)

    async def gaps(self, host_id: str, begin: int, end: int, limit: int) -> RecordGaps:
        """Where the record has nothing in [begin, end), and why. Raises ProblemError (404)."""
        state = self._presence.get(host_id)
        beat = state.heartbeat if state is not None else None
        spooled = beat.spooled if beat is not None else 0
        shift_ns = self._presence.shift_ns(host_id)
        recent = state.recent if state is not None else ()
        beats = [structs.replace(beat, wall_ns=beat.wall_ns + shift_ns) for beat in recent]
        return await gaps(self._facts, await self._row(host_id), begin, end, limit, spooled, beats)

    async def detail(self, host_id: str, boot_id: str, pid: int, start_ns: int) -> ProcessDetail:
        """One life. Raises ProblemError (404)."""
        host = await self._row(host_id)
        inspection = await self._inspect(host_id, ProcessKey(boot_id, pid, start_ns))
        boots = {
            text: (number, booted)
            for number, (text, booted) in (await self._facts.lives.boots(host.number)).items()
        }
        state = self._presence.get(host_id)
        here = state is not None and state.online and state.facts.boot_id == boot_id
        booted_ns = state.facts.booted_wall_ns + state.clock.shift_ns if state is not None and here else 0
        booted = booted_ns // 1_000_000
        number, booted_ms = boots.get(boot_id, (-1, booted))
        image = (await self._facts.images.at(number, [start_ns], 2**63 - 1)).get((start_ns, pid))
        life = (await self._facts.lives.rows(number, [start_ns])).get((start_ns, pid))
        alive = None if inspection is None else inspection.alive
        started_ms = booted_ms + start_ns // 1_000_000
        # A busy agent may not have answered in time: that does not mean that there is no such process. Nor
        # does it if the process has ended and its block is still to come.
        pending = here and (inspection is None or _is_unrecorded(host, started_ms))
        if image is None and not alive and not pending:
            raise ProblemError(
                404,
                "process_unknown",
                f"no process {pid} that began at {start_ns} ns of boot {boot_id[:36]!r} is known",
            )
        now = inspection if inspection is not None and inspection.alive else None
        ended = life is not None and life.ended
        return ProcessDetail(
            boot_id=boot_id,
            pid=pid,
            start_ns=str(start_ns),
            name=image.name if image else "",
            cmdline=image.cmdline if image else "",
            exe=image.exe if image else "",
            user=image.user if image else "",
            unit=(now.unit if now else "") or (image.unit if image else ""),
            container=(now.container if now else "") or (image.container if image else ""),
            pod=image.pod if image else "",
            slice=image.slice if image else "",
            cgroup=image.cgroup if image else "",
            started_ms=started_ms,
            first_ms=life.first_ms if life else None,
            last_ms=life.last_ms if life and ended else None,
            exact=bool(ended and life and life.exact),
            exit_code=life.exit_code if ended and life else None,
            exit_signal=life.exit_signal if ended and life else None,
            cause=life.cause if ended and life else "",
            cpu_s=seconds(life.cpu_ns) if ended and life else None,
            rss_peak=life.rss_peak if ended and life else None,
            read_bytes=life.read_bytes if ended and life else None,
            write_bytes=life.write_bytes if ended and life else None,
            alive=alive,
            state=now.state if now else "",
            parent=_relative(now.parent) if now and now.parent else None,
            children=[_relative(child) for child in now.children] if now else [],
            restart=now.restart if now else "",
            protected=now.protected if now else "",
            sets=[convert(to_builtins(each), ProcessSet) for each in now.sets] if now else [],
        )

    async def _inspect(self, host_id: str, target: ProcessKey) -> messages.Inspection | None:
        request = messages.Inspect(request_id=str(uuid.uuid4()), target=target)
        try:
            answer: messages.Inspection = await self._bus.request(agent_of(host_id), request, INSPECT_S)
        except (NobodyThereError, TimeoutError):
            return None
        return answer


def _no_such_sample(at_ms: int, boot_ns: int, samples: Sequence[SecondSample]) -> ProblemError:
    known = ", ".join(sample.boot_ns for sample in samples) or "none"
    return ProblemError(
        404,
        "no_such_sample",
        f"boot_ns={boot_ns}; a sample of the second of at={at_ms} expected, of which there are: {known}",
    )


def _is_unrecorded(host: HostRow, started_ms: int) -> bool:
    """Whether a life is too new to be on record: it began after the last recorded second."""
    return (host.last_ms or 0) - 1000 < started_ms <= _now_ms() + 1000


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _relative(found: messages.Relative) -> Relative:
    return Relative(pid=found.pid, start_ns=str(found.start_ns), name=found.name, cmdline=found.cmdline)


def _unknown(host_id: str) -> ProblemError:
    return ProblemError(404, "host_unknown", f"there is no host {host_id[:100]!r}")


def _instance(row: InstanceRow, seen_ms: int | None) -> HostInstance:
    holds = row.asked_ms > (seen_ms or 0)
    return HostInstance(
        instance_id=row.instance_id,
        name=row.name,
        group=row.group,
        zone=row.zone,
        reason=row.reason if holds else "",
        asked_ms=row.asked_ms if holds else None,
    )


def _number(value: Any) -> float:
    """A figure of a heartbeat; NaN: an older agent does not send it, or it is not known."""
    return float(value) if isinstance(value, int | float) else math.nan


def _host(row: HostRow, state: HostState | None, conflicts: Sequence[IdentityConflictRow]) -> Host:
    facts = (state.facts if state is not None else row.facts) or _NO_FACTS
    beat = state.heartbeat if state is not None and state.online else None
    seen_ms = state.seen_wall_ns // 1_000_000 if state is not None else row.seen_ms
    offset_ns = state.clock.offset_ns if state is not None else None
    shift_ms = state.clock.shift_ns // 1_000_000 if state is not None else 0
    online = state is not None and state.online
    return Host(
        host_id=row.host_id,
        name=row.name,
        online=online,
        state=state_of(row.instance, seen_ms, online=online),
        instance=None if row.instance is None else _instance(row.instance, seen_ms),
        groups=list(row.groups),
        needs_approval=row.needs_approval,
        revoked=row.revoked_ms is not None,
        held=[
            IdentityConflict(
                boot_id=one.boot_id,
                hostname=one.hostname,
                address=one.address,
                first_ms=one.first_ms,
                last_ms=one.last_ms,
            )
            for one in conflicts
            if one.host_id == row.host_id
        ],
        last_seen_ms=seen_ms,
        boot_id=facts.boot_id,
        booted_ms=facts.booted_wall_ns // 1_000_000 + shift_ms,
        kernel=facts.kernel,
        os=facts.os,
        architecture=facts.architecture,
        cpus=facts.cpus,
        mem_total=facts.mem_total,
        mem_limit=facts.mem_limit,
        mem_limit_of=facts.mem_limit_of,
        agent_version=facts.agent_version,
        source=facts.source,
        blind_spots=facts.blind_spots,
        signals=facts.signals,
        policy=None if facts.policy is None else convert(to_builtins(facts.policy), HostPolicy),
        first_ms=row.first_ms,
        last_ms=row.last_ms,
        clock_ms=None if offset_ns is None else offset_ns // 1_000_000,
        shift_ms=shift_ms,
        rates=beat.rates if beat is not None else None,
        missed=beat.missed if beat is not None else 0,
        spooled=beat.spooled if beat is not None else 0,
        faults={**(beat.faults if beat is not None else {}), **(state.faults if state is not None else {})},
        agent_cost_us=beat.cost_us if beat is not None else {},
    )
