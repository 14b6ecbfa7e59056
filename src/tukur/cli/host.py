"""``tukur host``: the hosts of this hub."""

import argparse
import asyncio
import datetime
import sys
from typing import TYPE_CHECKING

from tukur.cli.errors import CommandError, Exit
from tukur.cli.options.data import data_dir
from tukur.cli.options.database import database
from tukur.cli.settings.parser import add_settings
from tukur.cli.settings.table import DATA, DATABASE, HUB

if TYPE_CHECKING:
    from tukur.hub.store.store import HostRow

_HOST = "its name or id"


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's actions."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    revoke = actions.add_parser("revoke", help="revoke a host: it can no longer connect; its record is kept")
    revoke.add_argument("host", help=_HOST)
    rename = actions.add_parser("rename", help="rename a host")
    rename.add_argument("host", help=_HOST)
    rename.add_argument("name", help="the new name")
    groups = actions.add_parser("groups", help="set the groups of a host; roles can be granted for a group")
    groups.add_argument("host", help=_HOST)
    groups.add_argument("groups", metavar="GROUP", nargs="*", help="all of its groups (none given: no group)")
    approval = actions.add_parser(
        "approval", help="whether orders to a host need the approval of a second person"
    )
    approval.add_argument("host", help=_HOST)
    approval.add_argument("needed", choices=("on", "off"))
    release = actions.add_parser("release", help="decide which of two machines with the same key is the host")
    release.add_argument("host", help=_HOST)
    release.add_argument(
        "--boot",
        metavar="BOOT_ID",
        help="the machine with this boot ID (default: whichever connects first)",
    )
    listing = actions.add_parser("list", help="every host")
    listing.add_argument("--left", action="store_true", help="also hosts whose machines are no more")
    for action in (listing, revoke, rename, groups, approval, release):
        add_settings(action, (HUB,), DATA, DATABASE)


def run(options: argparse.Namespace) -> int:
    """Lists, revokes, renames or decides. A running hub is notified and applies it at once."""
    from tukur.cli.options.data import poke_hub
    from tukur.cli.store_errors import store_call
    from tukur.hub.console.hosts import HostConsole

    folder = data_dir(options, create=False)
    console = HostConsole(folder, database(options))
    hosts = asyncio.run(store_call(console.all()))
    if options.action == "list":
        shown = hosts if options.left else [host for host in hosts if not has_left(host)]
        for host in shown:
            print(_line(host))
        if len(shown) < len(hosts):
            count = len(hosts) - len(shown)
            hidden = "1 host that left is" if count == 1 else f"{count} hosts that left are"
            print(f"{hidden} not shown; --left shows all", file=sys.stderr)
        for row in asyncio.run(store_call(console.identity_conflicts())):
            print(
                f"{row.host_id}\theld: {row.hostname} at {row.address}, "
                f"boot {row.boot_id}, last seen {_time(row.last_ms)}"
            )
        return 0
    host_id = chosen(hosts, options.host).host_id
    changed = _changed(options)
    if changed:
        asyncio.run(store_call(console.change(host_id, changed)))
        return 0
    if options.action == "revoke":
        asyncio.run(store_call(console.revoke(host_id)))
    elif not asyncio.run(store_call(console.release(host_id, options.boot))):
        raise CommandError(Exit.FAILED, f"no second machine is held for host {options.host!r}")
    poke_hub(folder)
    return 0


def _changed(options: argparse.Namespace) -> dict[str, object]:
    """Columns of the host that the action changes; none: it is another action."""
    from tukur.hub.auth.identity import parse_host_groups

    if options.action == "rename":
        if not 0 < len(options.name) <= 255 or not options.name.isprintable():
            raise CommandError(Exit.USAGE, f"{options.name[:100]!r}; 1 to 255 printable characters expected")
        return {"name": options.name}
    if options.action == "groups":
        try:
            return {"group_names": " ".join(parse_host_groups(options.groups))}
        except ValueError as error:
            raise CommandError(Exit.USAGE, str(error)) from error
    return {"needs_approval": options.needed == "on"} if options.action == "approval" else {}


def chosen(hosts: "list[HostRow]", word: str) -> "HostRow":
    """The host that a name or an id means. Raises CommandError where it is none, or one of several."""
    found = [host for host in hosts if word in (host.host_id, host.name)]
    if not found:
        raise CommandError(Exit.FAILED, f"there is no host {word!r}; see `tukur host list`")
    if len(found) > 1:
        ids = ", ".join(host.host_id for host in found)
        raise CommandError(Exit.FAILED, f"{len(found)} hosts are named {word!r}; one of {ids} expected")
    return found[0]


def has_left(host: "HostRow") -> bool:
    """Whether its machine is no more."""
    from tukur.hub.cloud.verdict import state_of

    return state_of(host.instance, host.seen_ms, online=False) == "left"


def _line(host: "HostRow") -> str:
    if host.revoked_ms is not None:
        state = f"revoked {_time(host.revoked_ms)}"
    elif host.instance is not None and has_left(host):
        state = f"left {_time(host.instance.asked_ms)} ({host.instance.reason})"
    else:
        state = "never connected" if host.seen_ms is None else f"last seen {_time(host.seen_ms)}"
    marks = [f"groups: {' '.join(host.groups)}"] if host.groups else []
    marks += ["needs approval"] if host.needs_approval else []
    return "\t".join((host.host_id, host.name, state, *marks))


def _time(ms: int) -> str:
    return f"{datetime.datetime.fromtimestamp(ms / 1000, datetime.UTC):%Y-%m-%d %H:%M} UTC"
