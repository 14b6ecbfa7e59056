"""``tukur hub``: API, page and record."""

import argparse
import signal
import socket
from typing import TYPE_CHECKING

from tukur.cli.errors import CommandError, Exit
from tukur.cli.options.data import DataLock, add_data_option, data_dir
from tukur.cli.options.database import add_database_options, database
from tukur.cli.options.installer import add_installer_option, installer_folder
from tukur.cli.options.logs import add_log_option, begin_logging
from tukur.cli.options.oidc import add_oidc_options, oidc_settings
from tukur.cli.options.retention import add_keep_options, parse_keep
from tukur.cli.options.tls import add_tls_options, tls_settings

if TYPE_CHECKING:
    from tukur.hub.app import HubSettings


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    add_data_option(parser)
    add_database_options(parser)
    add_log_option(parser)
    add_address_options(parser)
    add_keep_options(parser)
    parser.add_argument(
        "--enrol",
        action="append",
        default=[],
        metavar="HOST_ID:PUBLIC_KEY:NAME",
        help="add this host; the key is 64 hexadecimal digits",
    )
    parser.add_argument("--supervisor", type=int, default=0, help=argparse.SUPPRESS)


def add_address_options(parser: argparse.ArgumentParser) -> None:
    """Where the hub listens, and under which names it may be called."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8787, help="port to listen on (default: %(default)s)")
    parser.add_argument(
        "--name",
        "--allow-host",
        dest="names",
        action="append",
        default=[],
        metavar="NAME",
        help="another name by which browsers and agents reach the hub; its own certificate contains it",
    )
    parser.add_argument("--require-reason", action="store_true", help="require a reason for every order")
    add_tls_options(parser)
    add_installer_option(parser)
    add_oidc_options(parser)


def check_port(host: str, port: int) -> None:
    """Raises CommandError where nothing can listen there."""
    if not 0 < port < 65536:
        raise CommandError(Exit.USAGE, f"--port {port}; 1 to 65535 expected")
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, proto) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except socket.gaierror as error:
        raise CommandError(
            Exit.USAGE, f"--host {host!r} is not an address of this machine: {error}"
        ) from error
    except OSError as error:
        raise CommandError(
            Exit.PORT_BUSY,
            f"cannot listen on {host} port {port}: {error.strerror}; try another --port",
        ) from error


def parse_enrol(text: str) -> tuple[str, bytes, str]:
    """(host_id, public key, name) of HOST_ID:PUBLIC_KEY:NAME. Raises CommandError."""
    parts = text.split(":", 2)
    try:
        if len(parts) == 3 and len(bytes.fromhex(parts[1])) == 32:
            return parts[0], bytes.fromhex(parts[1]), parts[2]
    except ValueError:
        pass
    raise CommandError(Exit.USAGE, f"--enrol {text!r}; HOST_ID:PUBLIC_KEY:NAME expected")


def run(options: argparse.Namespace) -> int:
    """Runs the hub until SIGTERM or SIGINT."""
    from tukur.cli.supervise import die_with_parent
    from tukur.hub.app import HubSettings

    begin_logging(options, "hub")
    if options.supervisor:
        die_with_parent(options.supervisor)
    folder = data_dir(options)
    enrolled = tuple(parse_enrol(text) for text in options.enrol)
    keep, tls, oidc = parse_keep(options), tls_settings(options), oidc_settings(options)
    server, installer = database(options), installer_folder(options, folder)
    check_port(options.host, options.port)
    # Commands send it to the holder of the lock: it must not end a hub that is still starting.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with DataLock(folder):
        serve(
            HubSettings(
                data_dir=folder,
                database=server,
                host=options.host,
                port=options.port,
                allowed_hosts=tuple(options.names),
                tls=tls,
                installer=installer,
                reason_needed=options.require_reason,
                oidc=oidc,
                enrol=enrolled,
                keep=keep,
            )
        )
    return 0


def serve(settings: "HubSettings") -> None:
    """Runs the hub; its store's errors become the command's."""
    from tukur.cli.store_errors import command_error
    from tukur.hub.errors import PortBusyError
    from tukur.hub.serve import run as run_hub
    from tukur.hub.store.errors import StoreError
    from tukur.hub.tls.authority import CertificateError

    try:
        run_hub(settings)
    except StoreError as error:
        raise command_error(error) from error
    except CertificateError as error:
        raise CommandError(Exit.CERTIFICATE, str(error)) from error
    except PortBusyError as error:
        raise CommandError(Exit.PORT_BUSY, str(error)) from error
