"""What each disk and interface did over time, in as many points as a chart has room for. Pure arithmetic."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from tukur.hub.history.series import step_ms
from tukur.hub.models.history import DeviceFigure, Devices, DeviceSeries
from tukur.records import DeviceRates

Floats = npt.NDArray[np.float64]


class Entry(NamedTuple):
    """One device at one time: a second, a minute or an hour, as in the tables of the store."""

    at_ms: int
    device: str
    samples: int
    read_total: float
    read_high: float
    write_total: float
    write_high: float
    busy_total: float | None
    busy_high: float | None


def of_sample(at_ms: int, devices: Iterable[DeviceRates]) -> list[Entry]:
    """The entries of one second, of the devices whose rates are known."""
    found = []
    for each in devices:
        if not math.isnan(each.read) and not math.isnan(each.write):
            busy = None if math.isnan(each.busy) else each.busy
            name = f"{each.kind}.{each.name}"
            found.append(Entry(at_ms, name, 1, each.read, each.read, each.write, each.write, busy, busy))
    return found


def of_rows(rows: Iterable[Any]) -> list[Entry]:
    """The entries of rows of minutes and hours."""
    return [Entry(*row) for row in rows]


def over_time(
    entries: Iterable[Entry], begin: int, end: int, *, points: int, unit: int, limit: int
) -> Devices:
    """At most `limit` devices over [begin, end); unit: the longest time that an entry stands for."""
    step = step_ms(begin, end, points, unit)
    begin -= begin % step
    count = -(-(end - begin) // step)
    by_device: dict[str, list[Entry]] = {}
    for entry in entries:
        if begin <= entry.at_ms < begin + count * step:
            by_device.setdefault(entry.device, []).append(entry)
    ordered = sorted(by_device.values(), key=_traffic, reverse=True)
    return Devices(
        from_ms=begin,
        to_ms=end,
        step_ms=step,
        t_ms=[begin + slot * step for slot in range(count)],
        devices=[_series(own, begin, step, count) for own in ordered[:limit]],
        more=max(len(ordered) - limit, 0),
    )


def _traffic(own: Sequence[Entry]) -> float:
    return sum(entry.read_total + entry.write_total for entry in own)


def _series(own: Sequence[Entry], begin: int, step: int, count: int) -> DeviceSeries:
    kind, _, name = own[0].device.partition(".")
    slots = np.array([(entry.at_ms - begin) // step for entry in own], dtype=np.int64)
    samples = np.array([entry.samples for entry in own], dtype=np.float64)

    def figure(totals: Sequence[float | None], highs: Sequence[float | None]) -> DeviceFigure:
        return _figure(
            slots, samples, np.array(totals, dtype=np.float64), np.array(highs, dtype=np.float64), count
        )

    busy = figure([each.busy_total for each in own], [each.busy_high for each in own])
    number = float(samples.sum())
    of_kind: Literal["disk", "net"] = "disk" if kind == "disk" else "net"
    return DeviceSeries(
        kind=of_kind,
        name=name,
        read=figure([each.read_total for each in own], [each.read_high for each in own]),
        write=figure([each.write_total for each in own], [each.write_high for each in own]),
        busy=busy if of_kind == "disk" else None,
        read_mean=sum(each.read_total for each in own) / number if number else None,
        write_mean=sum(each.write_total for each in own) / number if number else None,
    )


def _figure(
    slots: npt.NDArray[np.int64], samples: Floats, totals: Floats, highs: Floats, count: int
) -> DeviceFigure:
    known = ~np.isnan(totals) & ~np.isnan(highs)
    at = slots[known]
    number = np.bincount(at, weights=samples[known], minlength=count)
    added = np.bincount(at, weights=totals[known], minlength=count)
    highest = np.zeros(count)
    np.maximum.at(highest, at, highs[known])
    there = (number > 0).tolist()
    mean = np.divide(added, number, out=np.zeros(count), where=number > 0).tolist()
    return DeviceFigure(
        mean=[value if known_here else None for value, known_here in zip(mean, there, strict=True)],
        high=[
            value if known_here else None for value, known_here in zip(highest.tolist(), there, strict=True)
        ],
    )
