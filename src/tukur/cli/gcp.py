"""``tukur gcp``: hub and instance group on Google Compute Engine, as one file declares them."""

import argparse
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tukur.cli.errors import CommandError, Exit

if TYPE_CHECKING:
    from tukur.gcp.client import Client
    from tukur.gcp.declaration import Declaration
    from tukur.gcp.errors import CloudError

DEFAULT_FILE = "gcp.toml"


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's actions."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    plan = actions.add_parser(
        "plan", help="what apply would make and change, and what it costs; changes nothing"
    )
    apply = actions.add_parser("apply", help="make what is declared, and repair what differs")
    status = actions.add_parser("status", help="what is there: address, resources, the VMs of the group")
    destroy = actions.add_parser("destroy", help="delete what tukur made, and nothing else")
    for action in (plan, apply, status, destroy):
        action.add_argument(
            "file",
            type=Path,
            nargs="?",
            default=Path(DEFAULT_FILE),
            metavar="FILE",
            help=f"the declaration (default: {DEFAULT_FILE})",
        )
    for action in (apply, destroy):
        action.add_argument("--yes", action="store_true", help="do not ask")
    destroy.add_argument(
        "--delete-data",
        action="store_true",
        help="also delete the disk with the record, its snapshots, and the secrets of the database",
    )


def run(options: argparse.Namespace) -> int:
    """Plans, applies, shows or destroys. Ctrl-C may come at any time: the same command goes on from there."""
    _check_installed()
    from tukur.gcp.client import Client
    from tukur.gcp.declaration import load
    from tukur.gcp.errors import CloudError

    try:
        declared = load(options.file)
        with Client(declared.project) as client:
            return _ACTIONS[options.action](options, client, declared)
    except CloudError as error:
        raise CommandError(exit_code(error), str(error)) from error
    except KeyboardInterrupt:
        print(f"\ninterrupted; `tukur gcp {options.action}` goes on from here", file=sys.stderr)
        raise


def exit_code(error: "CloudError") -> Exit:
    """The code of an error."""
    from tukur.gcp.errors import AccessError, DeclarationError, NameTakenError, QuotaError

    codes = {
        AccessError: Exit.CLOUD_ACCESS,
        DeclarationError: Exit.USAGE,
        NameTakenError: Exit.CLOUD_NAME_TAKEN,
        QuotaError: Exit.CLOUD_QUOTA,
    }
    return codes.get(type(error), Exit.CLOUD_FAILED)


def _plan(_: argparse.Namespace, client: "Client", declared: "Declaration") -> int:
    from tukur.cli.gcp_output import print_costs, print_plan
    from tukur.gcp.plan import make_plan

    print_plan(make_plan(client, declared))
    print_costs(declared)
    return 0


def _apply(options: argparse.Namespace, client: "Client", declared: "Declaration") -> int:
    from tukur.cli.gcp_output import LineProgress, print_costs, print_plan
    from tukur.gcp.apply import apply, refuse_blocked
    from tukur.gcp.plan import make_plan

    plan = make_plan(client, declared)
    if plan.changes:
        print_plan(plan)
        print_costs(declared)
        refuse_blocked(plan)
        _confirm(options, f"{len(plan.changes)} changes in the project {declared.project}")
        with LineProgress() as progress:
            plan = apply(client, plan, progress)
    print(f"everything is as declared; the hub: {plan.desired.hub_url}")
    return 0


def _status(_: argparse.Namespace, client: "Client", declared: "Declaration") -> int:
    from tukur.cli.gcp_output import print_members, print_plan
    from tukur.gcp.plan import make_plan
    from tukur.gcp.status import members

    plan = make_plan(client, declared)
    print_plan(plan, whole=True)
    print_members(members(client, plan))
    if plan.address:
        print(f"the hub: {plan.desired.hub_url}, address {plan.address}")
    return 1 if plan.changes else 0


def _destroy(options: argparse.Namespace, client: "Client", declared: "Declaration") -> int:
    from tukur.cli.gcp_output import LineProgress, print_removal
    from tukur.gcp.destroy import destroy, find_removal

    removal = find_removal(client, declared, delete_data=options.delete_data)
    print_removal(removal, declared)
    if removal.deleted:
        _confirm(options, f"{len(removal.deleted)} deletions in the project {declared.project}")
        with LineProgress() as progress:
            destroy(client, removal, progress)
    return 0


_ACTIONS = {"plan": _plan, "apply": _apply, "status": _status, "destroy": _destroy}


def _confirm(options: argparse.Namespace, what: str) -> None:
    if options.yes:
        return
    if not sys.stdin.isatty():
        raise CommandError(Exit.USAGE, f"{what} need an answer, and there is no terminal; --yes expected")
    if input(f"{what}; go on? [y/N] ").strip().lower() not in ("y", "yes"):
        raise CommandError(Exit.FAILED, "nothing was changed")


def _check_installed() -> None:
    if importlib.util.find_spec("google") is None or importlib.util.find_spec("google.auth") is None:
        raise CommandError(
            Exit.EXTRA_NOT_INSTALLED,
            "what talks to Google Cloud is not installed on this machine; install it with: "
            "pip install 'tukur[gcp]'",
        )
