"""``tukur hub``: API, page and record."""

import argparse
import signal
import socket
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tukur import heap
from tukur.cli.errors import CommandError, Exit
from tukur.cli.options.base_path import base_path
from tukur.cli.options.data import DataLock, data_dir
from tukur.cli.options.database import database
from tukur.cli.options.google import google_settings
from tukur.cli.options.installer import installer_folder
from tukur.cli.options.logs import begin_logging, set_level
from tukur.cli.options.oidc import oidc_settings
from tukur.cli.options.retention import parse_keep
from tukur.cli.options.tls import tls_settings
from tukur.cli.settings.parser import add_settings
from tukur.cli.settings.reload import Reload
from tukur.cli.settings.table import HUB

if TYPE_CHECKING:
    from tukur.hub.container import Hub
    from tukur.hub.settings import HubSettings


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    add_settings(parser, (HUB,), *HUB.groups)
    parser.add_argument("--supervisor", type=int, default=0, help=argparse.SUPPRESS)


def check_port(host: str, port: int) -> None:
    """Raises CommandError where nothing can listen there."""
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


def hub_settings(options: argparse.Namespace, folder: Path, enrol: Sequence[str] = ()) -> "HubSettings":
    """What the options say together. Raises CommandError."""
    from tukur.hub.settings import HubSettings

    return HubSettings(
        data_dir=folder,
        enrol=tuple(parse_enrol(text) for text in enrol),
        keep=parse_keep(options),
        tls=tls_settings(options),
        installer=installer_folder(options, folder),
        oidc=oidc_settings(options),
        google=google_settings(options),
        database=database(options),
        host=options.host,
        port=options.port,
        allowed_hosts=tuple(options.name),
        base_path=base_path(options),
        reason_needed=options.require_reason,
    )


def run(options: argparse.Namespace) -> int:
    """Runs the hub until SIGTERM or SIGINT."""
    from tukur.cli.supervise import die_with_parent

    begin_logging(options, "hub")
    if options.supervisor:
        die_with_parent(options.supervisor)
    folder = data_dir(options)
    settings = hub_settings(options, folder, options.enrol)
    check_port(settings.host, settings.port)
    # Commands send it to the holder of the lock: it must not end a hub that is still starting.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with DataLock(folder):
        reload = Reload(options)
        serve(settings, lambda hub: reload(lambda changed: _apply(hub, changed, folder)))
    return 0


def _apply(hub: "Hub", options: argparse.Namespace, folder: Path) -> Collection[str]:
    """Of a running hub. Raises CommandError."""
    from tukur.hub.reloading import apply_settings
    from tukur.hub.tls.authority import CertificateError

    settings = hub_settings(options, folder, options.enrol)
    try:
        apply_settings(hub, settings)
    except CertificateError as error:
        raise CommandError(Exit.CERTIFICATE, str(error)) from error
    set_level(options.log_level)
    another_kind = settings.tls.kind != hub.settings.tls.kind
    return ("tls_cert", "tls_key", "tls_ca", "behind_proxy") if another_kind else ()


def serve(settings: "HubSettings", reload: "Callable[[Hub], Collection[str]]") -> None:
    """Runs the hub; its store's errors become the command's."""
    from tukur.cli.store_errors import command_error
    from tukur.hub.errors import PortBusyError
    from tukur.hub.serve import run as run_hub
    from tukur.hub.store.errors import StoreError
    from tukur.hub.tls.authority import CertificateError

    # The loop, and all the threads that work for it, whose arenas would keep what each once needed.
    heap.keep_small(2)
    try:
        run_hub(settings, reload)
    except StoreError as error:
        raise command_error(error) from error
    except CertificateError as error:
        raise CommandError(Exit.CERTIFICATE, str(error)) from error
    except PortBusyError as error:
        raise CommandError(Exit.PORT_BUSY, str(error)) from error
