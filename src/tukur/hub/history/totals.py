"""Totals of lives as the API shows them: what is unknown is null, never zero."""

from tukur.hub.store.schema import UNKNOWN_PEAK


def seconds(cpu_ns: int | None) -> float | None:
    """CPU time of a life."""
    return None if cpu_ns is None else cpu_ns / 1e9


def known_peak(rss_peak: int) -> int | None:
    """A peak from the rollups, bytes."""
    return None if rss_peak == UNKNOWN_PEAK else int(rss_peak)
