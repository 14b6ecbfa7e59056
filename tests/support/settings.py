"""Settings as a command has them after its words, the environment and the files were read."""

import argparse
from collections.abc import Sequence

from tukur.cli.settings.parser import Parser, add_settings
from tukur.cli.settings.resolve import resolve
from tukur.cli.settings.table import HUB, Group, Program


def resolved(
    words: Sequence[str], *groups: Group, programs: Sequence[Program] = (HUB,)
) -> argparse.Namespace:
    """The settings of some groups. Raises CommandError, SystemExit."""
    parser = Parser()
    add_settings(parser, programs, *groups)
    return resolve(parser.parse_args(words))
