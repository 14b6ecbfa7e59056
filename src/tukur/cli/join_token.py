"""``tukur join-token``: what lets further machines in."""

import argparse
import asyncio
import datetime
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from tukur.cli.errors import CommandError, Exit
from tukur.cli.options.data import data_dir
from tukur.cli.options.database import database
from tukur.cli.options.duration import parse_duration
from tukur.cli.settings.parser import add_settings
from tukur.cli.settings.table import DATA, DATABASE, HUB

if TYPE_CHECKING:
    from tukur.hub.address import HubAddress
    from tukur.hub.console.tokens import JoinTokenConsole

LONGEST = "30d"


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's actions."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = actions.add_parser("create", help="create a token and print it; it is shown only once")
    create.add_argument(
        "--uses", type=int, default=1, metavar="N", help="how many machines may use it (default: 1)"
    )
    create.add_argument(
        "--expires",
        default="1h",
        metavar="TIME",
        help="how long it is valid, such as 30m, 1h or 7d (default: 1h)",
    )
    create.add_argument("--label", default=None, help="what it is for (default: the time)")
    create.add_argument(
        "--google",
        action="store_true",
        help="without a secret, for virtual machines of the hub's instance groups, which prove who they are",
    )
    revoke = actions.add_parser("revoke", help="revoke a token immediately")
    revoke.add_argument("label", help="its label")
    for action in (create, revoke, actions.add_parser("list", help="list the tokens, without their secrets")):
        add_settings(action, (HUB,), DATA, DATABASE)


def run(options: argparse.Namespace) -> int:
    """Creates, lists or revokes."""
    from tukur.cli.store_errors import store_call
    from tukur.hub.console.tokens import JoinTokenConsole

    console = JoinTokenConsole(data_dir(options, create=False), database(options))
    if options.action == "create":
        return _create_for_google(console.data_dir) if options.google else _create(options, console)
    if options.action == "revoke":
        if not asyncio.run(store_call(console.revoke(options.label))):
            raise CommandError(Exit.FAILED, f"there is no join token labelled {options.label!r}")
        return 0
    for token in asyncio.run(store_call(console.all())):
        until = datetime.datetime.fromtimestamp(token.expires_ms / 1000, datetime.UTC)
        print(f"{token.label}\t{token.uses_left} of {token.uses} uses left\tuntil {until:%Y-%m-%d %H:%M} UTC")
    return 0


def _hub_of_token(folder: Path) -> "tuple[HubAddress, bytes | None, bytes | None]":
    """(addresses, hash of the authority, hash of the installer) of the hub that a token is for.

    Raises CommandError.
    """
    from tukur.hub.address import read_address
    from tukur.hub.installer.installer import Installer, InstallerError
    from tukur.hub.tls.authority import CertificateError, fingerprint
    from tukur.hub.tls.files import load_certificates

    address = read_address(folder)
    if address is None or not address.join:
        raise CommandError(
            Exit.FAILED,
            "no other machine can reach this hub: it listens on this one only, without TLS. Start it with "
            "--host 0.0.0.0 (its own certificate), --tls-cert or --behind-proxy",
        )
    try:
        authority = fingerprint(load_certificates(Path(address.ca))[0]) if address.ca else None
    except CertificateError as error:
        raise CommandError(Exit.CERTIFICATE, str(error)) from error
    try:
        installer = Installer(Path(address.installer)).sha256 if address.installer else None
    except InstallerError as error:
        raise CommandError(Exit.FAILED, str(error)) from error
    return address, authority, installer


def _create(options: argparse.Namespace, console: "JoinTokenConsole") -> int:
    from tukur.cli.store_errors import store_call

    if not 0 < options.uses <= 100_000:
        raise CommandError(Exit.USAGE, f"--uses {options.uses}; 1 to 100000 expected")
    seconds = parse_duration("--expires", options.expires, LONGEST)
    label = options.label or f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M:%S.%f}"
    if not 0 < len(label) <= 100 or not label.isprintable():
        raise CommandError(Exit.USAGE, f"--label {label[:100]!r}; 1 to 100 printable characters expected")
    address, authority, installer = _hub_of_token(console.data_dir)
    text = asyncio.run(store_call(console.create(label, options.uses, seconds, authority, installer)))
    _print_token(address, text, installer is not None)
    return 0


def _create_for_google(folder: Path) -> int:
    from tukur.protocol.join_token import JoinToken

    address, authority, installer = _hub_of_token(folder)
    if not address.google:
        raise CommandError(
            Exit.FAILED,
            "this hub lets no machines of Google in; --google-project and --google-groups expected",
        )
    _print_token(address, JoinToken(b"", authority, installer).text(), served=installer is not None)
    return 0


def _print_token(address: "HubAddress", text: str, served: bool) -> None:
    """The token alone for a script; for a person also what to do with it. `served`: there is an installer."""
    print(text)
    if os.isatty(1) and served:
        print(f"\nOn each machine, to install the agent and join:\n\n    {install_command(address, text)}")
        print(f"\nOr, where tukur is installed, as root:\n\n    tukur agent join {address.join} {text}")
    elif os.isatty(1):
        print(f"\nOn each machine, as root:\n\n    tukur agent join {address.join} {text}")


def install_command(address: "HubAddress", token: str) -> str:
    """What installs the agent on another machine. It runs nothing that the hub did not send.

    The hub's own authority is in no other machine's store: the command carries the hash of the key of its
    present certificate, and fails after that was renewed. Raises CommandError.
    """
    from tukur.hub.tls.authority import CertificateError, public_key_pin
    from tukur.hub.tls.files import load_certificates

    verified = "curl -fsSL"
    if address.trust == "pinned" and (server := Path(address.ca).with_name("server.pem")).exists():
        try:
            pin = public_key_pin(load_certificates(server)[0])
        except CertificateError as error:
            raise CommandError(Exit.CERTIFICATE, str(error)) from error
        verified = f"curl -fsSk --pinnedpubkey 'sha256//{pin}'"
    elif address.trust == "pinned":
        verified = f"curl -fsSL --cacert {shlex.quote(address.ca)}"
    return f"{verified} {address.join}/install.sh | sudo sh -s -- {token}"
