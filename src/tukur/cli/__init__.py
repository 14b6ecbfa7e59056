"""The command line: one file for each command, imported when it is called."""

import argparse
import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Sequence
from typing import NamedTuple

from tukur import __version__
from tukur.cli.errors import CommandError, Exit
from tukur.cli.settings.parser import Parser
from tukur.cli.settings.resolve import resolve
from tukur.cli.terminal import plain


class Command(NamedTuple):
    """A command's name, its module (with ``arguments(parser)`` and ``run(options) -> int``), its help."""

    name: str
    module: str
    help: str
    needs_hub: bool = True
    """Whether it needs the extra ``hub``; pyproject.toml's contract "light-agent" lists those that do not."""


COMMANDS = [
    Command("up", "tukur.cli.up", "hub, agent and page on this machine, in one command"),
    Command("hub", "tukur.cli.hub", "the hub alone: API, page, record"),
    Command("agent", "tukur.cli.agent", "the agent alone: join a hub, run, rotate the key", needs_hub=False),
    Command("policy", "tukur.cli.policy", "what the hub may do on this host: check, test", needs_hub=False),
    Command("host", "tukur.cli.host", "the hosts of this hub: list, revoke, rename, groups, approval"),
    Command("order-key", "tukur.cli.order_key", "the key that signs this hub's orders: status, rotate"),
    Command("ca", "tukur.cli.ca", "the hub's own certificate authority: status, rotate, retire"),
    Command("join-token", "tukur.cli.join_token", "tokens that let machines join: create, list, revoke"),
    Command("sign-in-link", "tukur.cli.sign_in_link", "a new one-time sign-in link"),
    Command("user", "tukur.cli.user", "users: add, list, role, disable, enable, reset, remove"),
    Command("token", "tukur.cli.token", "API tokens: create, list, revoke"),
    Command("audit", "tukur.cli.audit", "the audit log: verify, export"),
    Command("store", "tukur.cli.store", "the record: status, verify, repair, compact"),
    Command("config", "tukur.cli.config", "the settings of hub and agent: show, check", needs_hub=False),
    Command("backup", "tukur.cli.backup", "one file with record, keys and certificates; the hub may run"),
    Command("restore", "tukur.cli.restore", "make an empty data directory what a backup holds"),
    Command("module", "tukur.cli.module", "the kernel modules: install, status, remove", needs_hub=False),
    Command("gcp", "tukur.cli.gcp", "Google Cloud: plan, apply, status, destroy", needs_hub=False),
    Command("demo", "tukur.cli.demo", "load to watch: use CPU and memory for a while", needs_hub=False),
    Command("doctor", "tukur.cli.doctor", "what this machine offers, and what is missing", needs_hub=False),
]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; the exit code. A user's mistake is one line, never a traceback."""
    argv = list(sys.argv[1:] if arguments is None else arguments)
    command = _called(argv)
    try:
        with contextlib.redirect_stdout(plain(sys.stdout)):
            return _run(command, argv)
    except CommandError as error:
        print(f"tukur {command.name if command else ''}: {error}", file=plain(sys.stderr))
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def _run(command: Command | None, argv: Sequence[str]) -> int:
    if command is not None and command.needs_hub:
        _check_hub_installed()
    parser = _parser(command)
    options = resolve(parser.parse_args(argv))
    if command is None:
        parser.print_help()
        return 0
    return int(importlib.import_module(command.module).run(options))


def _called(argv: Sequence[str]) -> Command | None:
    name = next((word for word in argv if not word.startswith("-")), None)
    return next((command for command in COMMANDS if command.name == name), None)


def hub_installed() -> bool:
    """Whether the extra ``hub`` is: one of its packages stands for all, since pip installs them together."""
    return importlib.util.find_spec("litestar") is not None


def _check_hub_installed() -> None:
    if not hub_installed():
        raise CommandError(
            Exit.EXTRA_NOT_INSTALLED,
            "the hub is not installed on this machine; install it with: pip install 'tukur[hub]'",
        )


def _parser(called: Command | None) -> argparse.ArgumentParser:
    parser = Parser(
        prog="tukur",
        description="Every process on every Linux machine, every second, now or at any past instant.",
    )
    parser.add_argument("--version", action="version", version=f"tukur {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND")
    for command in COMMANDS:
        sub = subparsers.add_parser(command.name, help=command.help, description=command.help)
        # Only the called command's module is imported: `tukur token` needs no numpy.
        if command is called:
            importlib.import_module(command.module).arguments(sub)
    return parser
