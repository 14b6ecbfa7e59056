"""``tukur agent join`` and ``tukur agent rotate-key``."""

import argparse
import asyncio
import contextlib
import os
import sys
from collections.abc import Iterator

from tukur.cli.errors import CommandError, Exit
from tukur.cli.options.data import data_dir
from tukur.text import host_name, readable


def join_arguments(parser: argparse.ArgumentParser) -> None:
    """Which hub."""
    parser.add_argument("hub", metavar="URL", help="the hub's address, https://HOST[:PORT][/PATH]")
    parser.add_argument(
        "token",
        metavar="TOKEN",
        help="what `tukur join-token create` printed; -: read it from standard input",
    )
    parser.add_argument(
        "--hostname",
        default=host_name(),
        help="the name of this host (default: %(default)s)",
    )
    parser.add_argument("--again", action="store_true", help="join again, as a new host")


def join(options: argparse.Namespace) -> int:
    """Joins, and keeps the new identity."""
    from tukur.agent.joining.identity import JoinedFile
    from tukur.agent.joining.join import join as join_hub
    from tukur.protocol.join_token import JoinToken, TokenError

    file = JoinedFile(data_dir(options))
    if file.exists() and not options.again:
        raise CommandError(
            Exit.FAILED,
            f"this machine has joined a hub ({file.path}); use --again to join as a new host",
        )
    if not options.hub.startswith("https://"):
        raise CommandError(Exit.USAGE, f"hub address {options.hub!r}; https://HOST[:PORT][/PATH] expected")
    options.hostname = readable(options.hostname)
    if not 0 < len(options.hostname) <= 255:
        raise CommandError(Exit.USAGE, f"--hostname of {len(options.hostname)} characters; 1 to 255 expected")
    try:
        token = JoinToken.parse(sys.stdin.readline() if options.token == "-" else options.token)  # noqa: S105
    except TokenError as error:
        raise CommandError(Exit.USAGE, f"not a valid join token: {error}") from error
    with agent_errors():
        identity = asyncio.run(join_hub(options.hub, token, options.hostname))
        file.save(identity)
    print(
        f"{options.hostname} has joined {identity.hub} as host {identity.host_id}; "
        "start its agent with `tukur agent run`"
    )
    if os.geteuid() != 0:
        print("Not running as root: less is seen of other users' processes; see `tukur doctor`.")
    return 0


def rotate_key(options: argparse.Namespace) -> int:
    """Changes the key; an agent that runs goes on, and takes the new one when it connects next."""
    from tukur.agent.joining.identity import JoinedFile
    from tukur.agent.joining.join import rotate

    file = JoinedFile(data_dir(options, create=False))
    if not file.exists():
        raise CommandError(Exit.FAILED, f"this machine has not joined a hub: {file.path} does not exist")
    with agent_errors():
        asyncio.run(rotate(file))
    print("this host has a new key; the old key is no longer valid")
    return 0


@contextlib.contextmanager
def agent_errors() -> Iterator[None]:
    """What goes wrong between a machine and its hub becomes the command's error."""
    from tukur.agent.joining.google import MetadataError
    from tukur.agent.joining.hub_address import HubAddressError
    from tukur.agent.joining.identity import IdentityError
    from tukur.agent.joining.join import UnreachableError, UntrustedError
    from tukur.protocol.errors import ProtocolError

    try:
        yield
    except (IdentityError, MetadataError) as error:
        raise CommandError(Exit.FAILED, str(error)) from error
    except HubAddressError as error:
        raise CommandError(Exit.USAGE, str(error)) from error
    except UnreachableError as error:
        raise CommandError(Exit.HUB_UNREACHABLE, str(error)) from error
    except UntrustedError as error:
        raise CommandError(Exit.HUB_NOT_TRUSTED, str(error)) from error
    except ProtocolError as error:
        # The refusal of an honest hub to an agent that sees a stranger's certificate.
        code = Exit.HUB_NOT_TRUSTED if error.code == "not_this_hub" else Exit.JOIN_REFUSED
        raise CommandError(code, f"the hub refused: {error.detail} ({error.code})") from error
