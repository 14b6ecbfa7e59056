"""``tukur agent``: watches this machine for a hub, and makes it one of the hub's hosts."""

import argparse

from tukur.cli import agent_join, agent_run
from tukur.cli.settings.parser import add_settings
from tukur.cli.settings.table import AGENT, DATA, LOG


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's actions and their options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    running = actions.add_parser("run", help="watch this machine")
    agent_run.arguments(running)
    joining = actions.add_parser("join", help="make this machine a host of a hub")
    agent_join.join_arguments(joining)
    rotating = actions.add_parser("rotate-key", help="put a new key in place of this host's")
    running.set_defaults(work=agent_run.run)
    for action, work in ((joining, agent_join.join), (rotating, agent_join.rotate_key)):
        add_settings(action, (AGENT,), DATA, LOG)
        action.set_defaults(work=work)


def run(options: argparse.Namespace) -> int:
    """Runs, joins or changes the key."""
    return int(options.work(options))
