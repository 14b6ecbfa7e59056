"""``tukur policy``: what this host lets its hub do."""

import argparse
from typing import TYPE_CHECKING

from tukur.cli.errors import CommandError, Exit
from tukur.cli.settings.parser import add_settings
from tukur.cli.settings.table import AGENT, CONFIG, POLICY, Group

if TYPE_CHECKING:
    from tukur.agent.policy.policy import Policy, Selection


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's actions."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = actions.add_parser("check", help="check a policy file and print what it allows")
    test = actions.add_parser("test", help="whether the policy allows an order to one process")
    test.add_argument("pid", type=int, help="the process")
    test.add_argument("--signal", default="KILL", help="the signal (default: %(default)s)")
    for action in (check, test):
        add_settings(action, (AGENT,), Group("policy", (POLICY, CONFIG)))


def run(options: argparse.Namespace) -> int:
    """Checks the file, or asks it about one process. Exit code 1: refused."""
    from tukur.agent.policy.file import PolicyError, load_policy

    try:
        policy = load_policy(options.policy)
    except PolicyError as error:
        raise CommandError(Exit.FAILED, str(error)) from error
    if options.action == "test":
        return _test(policy, options.pid, options.signal)
    if not options.policy.exists():
        print(f"{options.policy} does not exist: this host is monitor-only")
        return 0
    print(f"signals: {', '.join(policy.signals) or 'none'}")
    print(f"actions: {', '.join(policy.actions) or 'none'}")
    print(f"allowed: {_words(policy.allow) or 'every process that is not protected'}")
    print(f"protected: {_words(policy.protect) or 'no others'}")
    print(f"protected programs that are allowed: {', '.join(policy.unprotect) or 'none'}")
    return 0


def _words(selection: "Selection") -> str:
    found = {"users": selection.users, "units": selection.units, "names": selection.names}
    return "; ".join(f"{key} {', '.join(words)}" for key, words in found.items() if words)


def _test(policy: "Policy", pid: int, signal: str) -> int:
    from tukur.agent.orders.results import ended_already
    from tukur.agent.policy.subject import subjects_of
    from tukur.sources.proc import read_stat
    from tukur.sources.users import Users

    stat = read_stat(pid)
    if stat is None:
        raise CommandError(Exit.FAILED, f"no process has PID {pid}")
    if stat.ended:
        raise CommandError(Exit.FAILED, f"nothing can be sent to PID {pid}: {ended_already(stat)}")
    subject = subjects_of([(pid, stat)], Users())[0]
    code, detail = policy.refuses(subject, "signal", signal)
    if code:
        print(f"refused ({code}): {detail}")
        return 1
    print(f"allowed: {signal} to {stat.name} ({pid})")
    return 0
