"""Durations as options take them: a number with its unit."""

import re

from tukur.cli.errors import CommandError, Exit

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def parse_duration(option: str, text: str, longest: str) -> int:
    """Seconds of a duration such as 30s, 10m, 1h or 7d, at most `longest`. Raises CommandError."""
    seconds = _seconds(text)
    if not 0 < seconds <= _seconds(longest):
        raise CommandError(
            Exit.USAGE, f"{option} {text!r}; a duration up to {longest} expected, such as 30s, 10m, 1h or 7d"
        )
    return seconds


def _seconds(text: str) -> int:
    found = re.fullmatch(r"([0-9]{1,6})([smhd])", text)
    return int(found[1]) * _UNITS_S[found[2]] if found else 0
