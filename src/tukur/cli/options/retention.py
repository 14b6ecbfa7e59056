"""How long what is kept."""

import argparse
import re
from typing import TYPE_CHECKING

from tukur.cli.errors import CommandError, Exit

if TYPE_CHECKING:
    from tukur.hub.store.maintenance.retention_policy import RetentionPolicy

_UNITS_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 7 * 86_400_000, "y": 365 * 86_400_000}
_UNITS_BYTES = {"MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}


def parse_keep(options: argparse.Namespace) -> "RetentionPolicy":
    """What the options say. Raises CommandError."""
    from tukur.hub.store.maintenance.retention_policy import RetentionPolicy

    keep = RetentionPolicy(
        seconds_ms=_amount(options.keep_seconds),
        minutes_ms=_amount(options.keep_minutes),
        hours_ms=_amount(options.keep_hours),
        max_bytes=_amount(options.max_size) if options.max_size else 0,
    )
    if not keep.seconds_ms <= keep.minutes_ms <= keep.hours_ms:
        raise CommandError(
            Exit.USAGE,
            f"seconds for {options.keep_seconds}, minutes for {options.keep_minutes}, hours for "
            f"{options.keep_hours}: the coarser level must be kept at least as long as the finer",
        )
    return keep


def _amount(text: str) -> int:
    # The settings table has checked it.
    number, unit = re.findall(r"\d+|\D+", text)
    return int(number) * (_UNITS_MS | _UNITS_BYTES)[unit]
