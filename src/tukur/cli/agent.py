"""``tukur agent``: watches this machine for a hub, and makes it one of the hub's hosts."""

import argparse

from tukur.cli import agent_join, agent_run
from tukur.cli.options.data import add_data_option
from tukur.cli.options.logs import add_log_option


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's actions and their options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    running = actions.add_parser("run", help="watch this machine")
    agent_run.arguments(running)
    joining = actions.add_parser("join", help="make this machine a host of a hub")
    agent_join.join_arguments(joining)
    rotating = actions.add_parser("rotate-key", help="put a new key in place of this host's")
    for action, work in (
        (running, agent_run.run),
        (joining, agent_join.join),
        (rotating, agent_join.rotate_key),
    ):
        add_data_option(action)
        add_log_option(action)
        action.set_defaults(work=work)


def run(options: argparse.Namespace) -> int:
    """Runs, joins or changes the key."""
    return int(options.work(options))
