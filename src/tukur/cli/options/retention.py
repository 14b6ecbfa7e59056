"""The options that say how long what is kept."""

import argparse
import re
from typing import TYPE_CHECKING

from tukur.cli.errors import CommandError, Exit

if TYPE_CHECKING:
    from tukur.hub.store.maintenance.retention_policy import RetentionPolicy

_UNITS_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 7 * 86_400_000, "y": 365 * 86_400_000}
_UNITS_BYTES = {"MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}


def add_keep_options(parser: argparse.ArgumentParser) -> None:
    """How long each level is kept, and how large all may become."""
    group = parser.add_argument_group("what is kept", "DURATION: a number with m, h, d, w or y")
    for name, default, help_text in (
        ("seconds", "7d", "every process at every second"),
        ("minutes", "90d", "what each process did in each minute"),
        ("hours", "2y", "what each did in each hour, and the lives themselves"),
    ):
        group.add_argument(
            f"--keep-{name}", default=default, metavar="DURATION", help=f"{help_text} (default: {default})"
        )
    group.add_argument(
        "--max-size",
        default="",
        metavar="SIZE",
        help="size limit of the whole record, such as 20GiB: the oldest is deleted first (default: none)",
    )


def parse_keep(options: argparse.Namespace) -> "RetentionPolicy":
    """What the options say. Raises CommandError."""
    from tukur.hub.store.maintenance.retention_policy import RetentionPolicy

    keep = RetentionPolicy(
        seconds_ms=_duration("--keep-seconds", options.keep_seconds),
        minutes_ms=_duration("--keep-minutes", options.keep_minutes),
        hours_ms=_duration("--keep-hours", options.keep_hours),
        max_bytes=_size("--max-size", options.max_size) if options.max_size else 0,
    )
    if not keep.seconds_ms <= keep.minutes_ms <= keep.hours_ms:
        raise CommandError(
            Exit.USAGE,
            f"seconds for {options.keep_seconds}, minutes for {options.keep_minutes}, hours for "
            f"{options.keep_hours}: the coarser level must be kept at least as long as the finer",
        )
    return keep


def _duration(option: str, text: str) -> int:
    found = re.fullmatch(r"(\d{1,6})([mhdwy])", text)
    value = int(found[1]) * _UNITS_MS[found[2]] if found else 0
    if value < _UNITS_MS["h"]:
        raise CommandError(
            Exit.USAGE, f"{option} {text!r}; an hour or more expected: a number with m, h, d, w or y"
        )
    return value


def _size(option: str, text: str) -> int:
    found = re.fullmatch(r"(\d{1,9})(MiB|GiB|TiB)", text)
    value = int(found[1]) * _UNITS_BYTES[found[2]] if found else 0
    if value < 64 << 20:
        raise CommandError(
            Exit.USAGE, f"{option} {text!r}; 64MiB or more expected: a number with MiB, GiB or TiB"
        )
    return value


def keep_arguments(options: argparse.Namespace) -> list[str]:
    """The same options for a hub that is started as a process of its own."""
    words = [f"--keep-{name}={getattr(options, f'keep_{name}')}" for name in ("seconds", "minutes", "hours")]
    return [*words, *([f"--max-size={options.max_size}"] if options.max_size else [])]
