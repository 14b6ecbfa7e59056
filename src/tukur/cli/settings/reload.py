"""A change of the settings while a daemon runs: what can be applied is, what cannot is reported."""

import argparse
import logging
from collections.abc import Callable, Mapping
from typing import Any

from tukur.cli.errors import CommandError
from tukur.cli.settings.resolve import Found, find_all

log = logging.getLogger(__name__)


class Reload:
    """Reads files and environment again each time it is called, at SIGHUP."""

    def __init__(self, options: argparse.Namespace, apply: Mapping[str, Callable[[Any], None]]) -> None:
        """`options`: resolved. `apply`: what sets each setting that the table marks as reloading."""
        self._options = options
        self._apply = apply
        self._found: dict[str, Found] = dict(options.found)

    def __call__(self) -> None:
        """Applies what has changed. Settings that are not valid change nothing."""
        try:
            now = find_all(self._options)
        except CommandError as error:
            log.error("the settings are not valid and were not reloaded: %s", error)
            return
        # What can be applied first: a new log level also holds for the rest of the report.
        for setting in sorted(self._options.settings, key=lambda setting: not setting.reloads):
            before, found = self._found[setting.dest], now[setting.dest]
            if found.value == before.value:
                continue
            if setting.reloads:
                self._apply[setting.dest](found.value)
                log.info("%s is now %s (%s)", setting.name, found.value, found.place)
            else:
                shown = "" if setting.secret else f" to {found.value}"
                log.warning("%s has changed%s (%s); it takes a restart", setting.name, shown, found.place)
        self._found = now
