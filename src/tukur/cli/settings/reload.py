"""A change of the settings while a daemon runs: what can be applied is, what cannot is reported."""

import argparse
import logging
from collections.abc import Callable, Collection
from typing import Any

from tukur.cli.errors import CommandError
from tukur.cli.settings.resolve import Found, find_all
from tukur.cli.settings.table import Setting

log = logging.getLogger(__name__)

Apply = Callable[[argparse.Namespace], Collection[str]]
"""Applies the settings that reload; the others are those of the start. Returns the attributes of settings
that take a restart after all. Raises CommandError: then nothing was changed."""


class Reload:
    """Reads files and environment again each time it is called, at SIGHUP."""

    def __init__(self, options: argparse.Namespace) -> None:
        """`options`: resolved."""
        self._options = options
        self._found: dict[str, Found] = dict(options.found)
        """What the daemon runs with."""

    def __call__(self, apply: Apply) -> list[str]:
        """Applies what has changed; the names of these settings. What is not valid changes nothing."""
        try:
            now = find_all(self._options)
            # Also where no value is another one: a file with a secret may have another content.
            restart = set(apply(self._with(now)))
        except CommandError as error:
            log.error("the settings are not valid and were not reloaded: %s", error)
            return []
        changed = [
            one for one in self._options.settings if now[one.dest].value != self._found[one.dest].value
        ]
        applied = [one for one in changed if one.reloads and one.dest not in restart]
        for setting in applied:
            self._found[setting.dest] = now[setting.dest]
            log.info("%s is now %s", setting.name, _shown(setting, now[setting.dest]))
        left = [f"{one.name} {_shown(one, now[one.dest])}" for one in changed if one not in applied]
        if left:
            log.warning("these settings have changed and take a restart: %s", ", ".join(left))
        return [setting.name for setting in applied]

    def _with(self, now: dict[str, Found]) -> argparse.Namespace:
        """The options as they would be if what reloads were as it is now."""
        found = self._found | {one.dest: now[one.dest] for one in self._options.settings if one.reloads}
        values: dict[str, Any] = {dest: one.value for dest, one in found.items()}
        return argparse.Namespace(**vars(self._options) | values | {"found": found})


def _shown(setting: Setting, found: Found) -> str:
    return f"({found.place})" if setting.secret else f"{found.value} ({found.place})"
