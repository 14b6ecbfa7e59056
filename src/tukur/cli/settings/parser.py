"""Flags from the table, and a parser that answers a misspelt one with the nearest."""

import argparse
import re
from collections.abc import Sequence
from typing import Any

from tukur.cli.settings.files import nearest
from tukur.cli.settings.kinds import SWITCH
from tukur.cli.settings.table import Group, Program, Setting, settings_of


class Parser(argparse.ArgumentParser):
    """Says what is wrong with a command's words by that command's own usage."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """As argparse does, but a subcommand reports its unknown words itself instead of ``tukur``."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}{self._hint(unknown)}")
        return found, unknown

    def _hint(self, unknown: Sequence[str]) -> str:
        flags = [flag for action in self._actions for flag in action.option_strings]
        words = [word.partition("=")[0] for word in unknown if word.startswith("--")]
        near = [flag for word in words if (flag := nearest(word, flags))]
        return f"; did you mean {' '.join(near)}?" if near else ""


def add_settings(parser: argparse.ArgumentParser, programs: Sequence[Program], *groups: Group) -> None:
    """The flags of some groups. `programs`: whose files they are read from; `resolve` fills in the values."""
    for group in groups:
        section = parser.add_argument_group(group.title, plain(group.note) or None)
        for setting in group.settings:
            _add(section, setting)
    parser.set_defaults(settings=settings_of(groups), programs=tuple(programs))


def _add(section: "argparse._ArgumentGroup", setting: Setting) -> None:
    flags = [f"--{setting.option}", *setting.aliases]
    text = help_of(setting).replace("%", "%%")
    if setting.kind is SWITCH:
        section.add_argument(
            *flags, dest=setting.dest, action=argparse.BooleanOptionalAction, default=None, help=text
        )
        return
    action = "append" if setting.kind.separator else "store"
    section.add_argument(
        *flags, dest=setting.dest, action=action, default=None, metavar=setting.shown_metavar, help=text
    )


def help_of(setting: Setting) -> str:
    """The help of a flag: what the manual says, as plain text."""
    default = f" (default: {setting.shown_default})" if setting.shown_default else ""
    repeatable = "; can be repeated" if setting.kind.separator else ""
    return plain(f"{setting.help}{repeatable}{default}")


def plain(markdown: str) -> str:
    """Without links and backticks."""
    return re.sub(r"\[([^]]+)\]\([^)]*\)", r"\1", markdown).replace("`", "")
