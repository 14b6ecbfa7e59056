"""What waits for the hub's acknowledgement, on disk: bounded by size and age, never half-written.

The form on disk and the promises are in ``docs/reference/spool.md``.
"""

import contextlib
import errno
import logging
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec

from tukur.agent.spool import format as form
from tukur.agent.spool.format import Kind, Span, span_of
from tukur.agent.spool.gaps import Gaps, Key, covers, gap_between, gap_of, joined
from tukur.agent.spool.quarantine import quarantine_block, take_over
from tukur.agent.spool.segment import Segment, found_in
from tukur.protocol.errors import UNREADABLE
from tukur.protocol.messages import Gap

log = logging.getLogger(__name__)

DEFAULT_LIMIT = 512 * 1024 * 1024
DEFAULT_AGE_S = 7 * 86_400
MEMORY_BLOCKS = 30
"""Blocks kept in memory where the disk takes none: five minutes of ten-second blocks."""
SEGMENT = 4 * 1024 * 1024
SEGMENT_S = 3600
"""A segment ends when it has so many bytes, or its first block is so old."""
_PARTS = 8
"""The limit is at least so many segments: what is given up at once is no more than this part of it."""

_IN_MEMORY = 0
_gap_decoder = msgspec.msgpack.Decoder(Gap)


class Ticket(NamedTuple):
    """Where a block waits."""

    segment: int
    at: int


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a spool may take."""

    limit: int = DEFAULT_LIMIT
    """Bytes of all segments together."""
    age_s: float = DEFAULT_AGE_S
    """How old a block may become, against the newest one."""

    @property
    def segment(self) -> int:
        """Bytes of one segment."""
        return min(SEGMENT, self.limit // _PARTS)


class Spool:
    """A folder of segments. Past its bounds the oldest goes first; what is given up is reported as a gap.

    Not thread-safe, but its calls may run in a worker thread one after another.
    """

    def __init__(self, folder: Path, bounds: Bounds | None = None) -> None:
        self._folder = folder
        self.bounds = bounds or Bounds()
        self._segments: dict[int, Segment] = {}
        self._active: Segment | None = None
        self._gaps = Gaps()
        self._gap_places: dict[Key, Ticket] = {}
        self._memory: dict[int, tuple[Span, bytes]] = {}
        self._kept = 0
        self._moved: dict[Ticket, Ticket] = {}
        self.dropped = 0
        """Blocks given up because there was no room, or they were too old."""
        self.damaged = 0
        """Records that were not what had been written."""
        self.fault = ""
        """Why the disk takes no blocks; empty: it does."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._load()
        self.damaged += take_over(folder, self._append_unsynced, self._sync)

    def close(self) -> None:
        """Closes the file that is written to; the next block would begin a new one."""
        self._end_active()

    # --- what comes in

    def put(self, span: Span, data: bytes) -> Ticket:
        """Keeps one block. On return it survives the death of this process and of the machine,
        or `fault` says why it is in memory only."""
        try:
            self._make_room(span, len(data))
            ticket = self._append(Kind.BLOCK, span, data)
        except OSError as error:
            if not self.fault:
                log.warning("the spool takes no blocks: %s", error.strerror)
            self.fault = f"{errno.errorcode.get(error.errno or 0, '?')}: {error.strerror}"
            return self._remember(span, data, _reason(error))
        if self.fault:
            log.info("the spool takes blocks again")
            self.fault = ""
            self._save_memory()
        return ticket

    def _remember(self, span: Span, data: bytes, reason: str) -> Ticket:
        self._kept += 1
        self._memory[self._kept] = (span, data)
        while len(self._memory) > MEMORY_BLOCKS:
            lost, _ = self._memory.pop(min(self._memory))
            self.dropped += 1
            self._gaps.add(gap_of(lost, reason))
        return Ticket(_IN_MEMORY, self._kept)

    def _save_memory(self) -> None:
        """What the disk did not take while it was full."""
        self._moved.clear()
        with contextlib.suppress(OSError):
            for number, (span, data) in list(self._memory.items()):
                self._moved[Ticket(_IN_MEMORY, number)] = self._append(Kind.BLOCK, span, data)
                del self._memory[number]
            for gap in [gap for key, gap in self._gaps.held.items() if key not in self._gap_places]:
                self._write_gap(gap)

    def _append(self, kind: Kind, span: Span, data: bytes, *, sync: bool = True) -> Ticket:
        record = form.encode(kind, span, data)
        segment = self._writable(span, len(record))
        try:
            at = segment.append(record, sync=sync)
        except OSError:
            # What the file holds now is not known: nothing is written behind it.
            self._end_active()
            raise
        if kind is Kind.BLOCK:
            segment.add(at, form.head_crc(record), span)
        return Ticket(segment.number, at)

    def _append_unsynced(self, span: Span, data: bytes) -> None:
        self._make_room(span, len(data))
        self._append(Kind.BLOCK, span, data, sync=False)

    def _sync(self) -> None:
        if self._active is not None:
            self._active.sync()

    def _writable(self, span: Span, length: int) -> Segment:
        active = self._active
        if active is not None:
            first = active.first
            full = active.size and active.size + length > self.bounds.segment
            if full or (first is not None and _older(span, first) > SEGMENT_S):
                self._end_active()
        if self._active is None:
            self._active = Segment.create(self._folder, max(self._segments, default=0) + 1)
            self._segments[self._active.number] = self._active
        return self._active

    def _end_active(self) -> None:
        ended, self._active = self._active, None
        if ended is not None:
            with contextlib.suppress(OSError):
                ended.sync()
            ended.close()
            self._tidy(ended)

    # --- what goes out

    def newest(self, skip: Container[Ticket] = ()) -> Ticket | None:
        """The block last written among those that wait and are not in `skip`."""
        return next((ticket for ticket in self._waiting() if ticket not in skip), None)

    def _waiting(self) -> Iterator[Ticket]:
        for number in reversed(self._memory):
            yield Ticket(_IN_MEMORY, number)
        for segment in sorted(self._segments, reverse=True):
            for at in reversed(self._segments[segment].waiting):
                yield Ticket(segment, at)

    def read(self, ticket: Ticket) -> tuple[Span, bytes] | None:
        """One block's span and bytes; None where it is gone, or damaged: then it is reported as a gap."""
        ticket = self._moved.get(ticket, ticket)
        if ticket.segment == _IN_MEMORY:
            return self._memory.get(ticket.at)
        segment = self._segments.get(ticket.segment)
        if segment is None or ticket.at not in segment.waiting:
            return None
        try:
            found = segment.read(ticket.at)
        except OSError as error:
            log.warning("segment %s cannot be read: %s", segment.path.name, error.strerror)
            found = None
        if found is not None and found[1] is not None:
            return found[0].span, found[1]
        log.warning("a block at %d of %s is damaged", ticket.at, segment.path.name)
        self.damaged += 1
        if found is not None:
            self._record_gap(gap_of(found[0].span, "damaged"))
        self._settle(ticket)
        return None

    def done(self, ticket: Ticket) -> None:
        """Forgets a block that the hub has."""
        self._settle(self._moved.pop(ticket, ticket))

    def quarantine(self, ticket: Ticket, why: str) -> None:
        """Moves a block to the folder `why`, for a person to look at; it is not sent again."""
        found = self.read(ticket)
        if found is not None:
            quarantine_block(self._folder / why, *found)
        self.done(ticket)

    def _settle(self, ticket: Ticket) -> None:
        if ticket.segment == _IN_MEMORY:
            self._memory.pop(ticket.at, None)
        segment = self._segments.get(ticket.segment)
        if segment is not None and ticket.at in segment.waiting:
            segment.mark_done(ticket.at, segment.waiting[ticket.at])
            self._tidy(segment)

    def _tidy(self, segment: Segment) -> None:
        """Deletes a segment of which nothing waits."""
        in_use = segment.waiting or any(at.segment == segment.number for at in self._gap_places.values())
        if segment is not self._active and not in_use and segment.number in self._segments:
            del self._segments[segment.number]
            segment.remove()

    # --- gaps

    @property
    def gaps(self) -> list[Gap]:
        """What was given up and the hub has not acknowledged."""
        return list(self._gaps.held.values())

    def gap_done(self, boot_id: str, first_ns: int, last_ns: int) -> None:
        """The hub has the gap up to there."""
        key = (boot_id, first_ns)
        if self._gaps.settle(key, last_ns):
            self._forget_place(self._gap_places.pop(key, None))

    def _record_gap(self, gap: Gap) -> None:
        """Records a gap and writes it; where the disk takes nothing it is held in memory."""
        held = self._gaps.add(gap)
        with contextlib.suppress(OSError):
            self._write_gap(held)

    def _write_gap(self, gap: Gap) -> None:
        key = (gap.boot_id, gap.first_ns)
        place = self._append(Kind.GAP, span_of(gap), msgspec.msgpack.encode(gap))
        before = self._gap_places.get(key)
        self._gap_places[key] = place
        self._forget_place(before)

    def _forget_place(self, place: Ticket | None) -> None:
        segment = None if place is None else self._segments.get(place.segment)
        if place is not None and segment is not None:
            segment.mark_done(place.at)
            self._tidy(segment)

    # --- bounds

    def _make_room(self, span: Span, length: int) -> None:
        while (oldest := self._oldest()) is not None:
            if oldest.newest is not None and _older(span, oldest.newest) > self.bounds.age_s:
                self._give_up(oldest, "spool_age")
            elif self.bytes + form.size_of(length) > self.bounds.limit:
                self._give_up(oldest, "spool_full")
            else:
                return

    def _oldest(self) -> Segment | None:
        """The one to be given up first: never the one that is being written."""
        number = min(self._segments, default=0)
        found = self._segments.get(number)
        return None if found is self._active else found

    def _give_up(self, segment: Segment, reason: str) -> None:
        lost = [record.span for record in _blocks(segment) if record.at in segment.waiting]
        self.dropped += len(segment.waiting)
        log.warning("the spool gives up %d blocks: %s", len(segment.waiting), reason)
        recorded = [self._gaps.add(gap) for gap in joined(gap_of(span, reason) for span in lost)]
        kept = [key for key, place in self._gap_places.items() if place.segment == segment.number]
        del self._segments[segment.number]
        # First the gaps, then the deletion: a crash between them leaves both, and the load knows it.
        with contextlib.suppress(OSError):
            for gap in recorded + [self._gaps.held[key] for key in kept]:
                self._write_gap(gap)
        for key in kept:
            if self._gap_places.get(key, Ticket(0, 0)).segment == segment.number:
                del self._gap_places[key]
        segment.remove()

    @property
    def bytes(self) -> int:
        """What all segments take."""
        return sum(segment.size for segment in self._segments.values())

    def __len__(self) -> int:
        return len(self._memory) + sum(len(segment.waiting) for segment in self._segments.values())

    # --- the start

    def _load(self) -> None:
        """Reads the heads of all that is there; nothing is written behind what another run wrote."""
        damage: list[tuple[Segment, int, Gap | None]] = []
        before: Span | None = None
        broken: list[tuple[Segment, int]] = []
        for segment in found_in(self._folder):
            self._segments[segment.number] = segment
            for found in self._scanned(segment):
                if isinstance(found, form.Broken):
                    broken.append((segment, found.at))
                elif found.kind == Kind.BLOCK:
                    damage += [(*place, gap_between(before, found.span)) for place in broken]
                    before, broken = found.span, []
        damage += [(*place, None) for place in broken]
        self._finish_giving_up()
        self._report_damage(damage)
        for segment in list(self._segments.values()):
            self._tidy(segment)

    def _scanned(self, segment: Segment) -> Iterator[form.Record | form.Broken]:
        """What a segment holds, taken into account; passed on are blocks, and damage that is news."""
        done = segment.done()
        for found in segment.scan():
            if isinstance(found, form.Broken):
                if not found.torn and found.at not in done:
                    yield found
            elif found.kind == Kind.BLOCK:
                if done.get(found.at) == found.head_crc:
                    segment.extend(found.span)
                else:
                    segment.add(found.at, found.head_crc, found.span)
                yield found
            elif found.kind == Kind.GAP and found.at not in done:
                self._restore_gap(segment, found.at)

    def _restore_gap(self, segment: Segment, at: int) -> None:
        found = segment.read(at)
        gap = None
        if found is not None and found[1] is not None:
            with contextlib.suppress(*UNREADABLE):
                gap = _gap_decoder.decode(found[1])
        if gap is None:
            self.damaged += 1
            segment.mark_done(at)
        elif self._gaps.restore(gap):
            before = self._gap_places.get((gap.boot_id, gap.first_ns))
            self._gap_places[gap.boot_id, gap.first_ns] = Ticket(segment.number, at)
            self._forget_place(before)

    def _finish_giving_up(self) -> None:
        """A gap is written before the segment is deleted: blocks that one covers are to be deleted still."""
        gaps = [gap for gap in self._gaps.held.values() if gap.reason in ("spool_full", "spool_age")]
        for segment in self._segments.values() if gaps else ():
            over = [record for record in _blocks(segment) if any(covers(gap, record.span) for gap in gaps)]
            if not over:
                return
            for record in over:
                segment.mark_done(record.at, record.head_crc)

    def _report_damage(self, damage: list[tuple[Segment, int, Gap | None]]) -> None:
        for segment, at, gap in damage:
            self.damaged += 1
            log.warning("%s is damaged at %d; what follows is read", segment.path.name, at)
            if gap is not None:
                self._record_gap(gap)
            if gap is None or (gap.boot_id, gap.first_ns) in self._gap_places:
                segment.mark_done(at)


def _blocks(segment: Segment) -> Iterator[form.Record]:
    with contextlib.suppress(OSError):
        for found in segment.scan():
            if isinstance(found, form.Record) and found.kind == Kind.BLOCK:
                yield found


def _older(newer: Span, older: Span) -> float:
    """By how many seconds; within one boot a wall clock that jumps changes nothing."""
    if newer.boot_id == older.boot_id:
        return (newer.last_ns - older.last_ns) / 1e9
    return (newer.last_wall_ns - older.last_wall_ns) / 1e9


def _reason(error: OSError) -> str:
    return "disk_full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "disk_fault"
