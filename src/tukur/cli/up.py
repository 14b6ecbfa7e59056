"""``tukur up``: hub, agent and page on this machine, in one command."""

import argparse
import asyncio
import os
import platform
import signal
import sys
import threading
import time
from pathlib import Path

from tukur.cli.errors import CommandError, Exit
from tukur.cli.hub import add_address_options, check_port
from tukur.cli.options.data import add_data_option, data_dir, host_id, secret_file
from tukur.cli.options.database import VARIABLE, add_database_options, database, database_arguments
from tukur.cli.options.installer import installer_arguments, installer_folder
from tukur.cli.options.logs import add_log_option, begin_logging
from tukur.cli.options.oidc import oidc_arguments, oidc_settings
from tukur.cli.options.retention import add_keep_options, keep_arguments, parse_keep
from tukur.cli.options.spool import add_spool_options, spool_arguments
from tukur.cli.options.tls import tls_arguments, tls_settings
from tukur.cli.supervise import Child
from tukur.hub.address import HubAddress, read_address, remove_address
from tukur.hub.store.backends.address import ServerAddress
from tukur.hub.tls.settings import TlsSettings

START_S = 60.0
"""How long the hub may take to answer: a large database may have to be migrated first."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    add_data_option(parser)
    add_database_options(parser)
    add_log_option(parser)
    add_address_options(parser)
    add_keep_options(parser)
    add_spool_options(parser)
    parser.add_argument(
        "--source", default=None, metavar="NAME", help="module, bpf or procfs (default: the best)"
    )
    parser.add_argument("--monitor-only", action="store_true", help="never signal a process")
    parser.add_argument("--scrub", action="append", default=[], metavar="REGEX", help="a secret to hide")
    parser.add_argument("--strip-arguments", action="store_true", help="record no arguments at all")


def run(options: argparse.Namespace) -> int:
    """Runs until SIGTERM or SIGINT; restarts what dies."""
    begin_logging(options, "up")
    parse_keep(options)
    oidc_settings(options)
    folder = data_dir(options)
    server, tls = database(options), tls_settings(options)
    check_port(options.host, options.port)
    installer_folder(options, folder)
    check_source(options.source)
    hub, agent = (
        Child("hub", _hub_arguments(options, folder)),
        Child("agent", _agent_arguments(options, folder, tls), without=(VARIABLE,)),
    )
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        remove_address(folder)
        hub.start()
        address = _await_hub(hub, folder, stop)
        if address is not None:
            agent.start()
            _welcome(address, folder, server)
        while not stop.wait(0.2):
            hub.tend()
            agent.tend()
    finally:
        # The agent first: its last block still reaches the hub.
        agent.stop(6)
        hub.stop(6)
    return 0


def check_source(name: str | None) -> None:
    """Raises CommandError where the source asked for cannot work here, before anything starts."""
    if name is None:
        return
    from tukur.sources.base import SourceUnavailableError
    from tukur.sources.registry import choose

    try:
        source, _ = choose(name)
    except ValueError as error:
        raise CommandError(Exit.USAGE, str(error)) from error
    except SourceUnavailableError as error:
        raise CommandError(Exit.SOURCE_UNAVAILABLE, str(error)) from error
    source.close()


def local_url(options: argparse.Namespace, *, encrypted: bool) -> str:
    """The address that the agent of this machine uses."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(options.host, options.host.strip("[]"))  # noqa: S104
    return f"{'https' if encrypted else 'http'}://{f'[{host}]' if ':' in host else host}:{options.port}"


def _common(options: argparse.Namespace, folder: Path) -> list[str]:
    return ["--data", str(folder), "--log-level", options.log_level]


def _hub_arguments(options: argparse.Namespace, folder: Path) -> list[str]:
    from tukur.protocol.auth import new_key, public_key

    key = secret_file(folder / "agent.key", new_key())
    name = platform.node() or "localhost"
    return [
        "hub",
        *_common(options, folder),
        *database_arguments(options),
        "--host",
        options.host,
        "--port",
        str(options.port),
        *(word for name in options.names for word in ("--name", name)),
        *(["--require-reason"] if options.require_reason else []),
        *tls_arguments(options),
        *installer_arguments(options),
        *oidc_arguments(options),
        *keep_arguments(options),
        "--enrol",
        f"{host_id(folder)}:{public_key(key).hex()}:{name}",
    ]


def _agent_arguments(options: argparse.Namespace, folder: Path, tls: TlsSettings) -> list[str]:
    from tukur.hub.orders.key import FILE
    from tukur.protocol.auth import new_key, public_key

    # Its own hub's certificate, whatever name it was given for: nothing else is trusted.
    pinned = tls.certificate or (folder / "tls" / "ca.pem" if tls.own_authority else None)
    return [
        "agent",
        "run",
        *_common(options, folder),
        "--hub",
        local_url(options, encrypted=tls.encrypted),
        *(("--pin", str(pinned)) if pinned else ()),
        *(("--tls-name", _name_in(tls.certificate)) if tls.certificate else ()),
        "--order-key",
        public_key(secret_file(folder / FILE, new_key())).hex(),
        *(("--source", options.source) if options.source else ()),
        *(() if options.monitor_only else ("--allow-signals",)),
        *(word for pattern in options.scrub for word in ("--scrub", pattern)),
        *(("--strip-arguments",) if options.strip_arguments else ()),
        *spool_arguments(options),
    ]


def _name_in(path: Path) -> str:
    from tukur.hub.tls.authority import CertificateError, names_in
    from tukur.hub.tls.files import load_certificates

    try:
        names = names_in(load_certificates(path)[0])
    except CertificateError as error:
        raise CommandError(Exit.CERTIFICATE, str(error)) from error
    if not names:
        raise CommandError(Exit.CERTIFICATE, f"{path} contains no name; a subjectAltName expected")
    return names[0].replace("*", "hub")


def _await_hub(hub: Child, folder: Path, stop: threading.Event) -> HubAddress | None:
    """Waits until the hub says where it is. Where it ends instead, it has said why: its exit code is ours."""
    until = time.monotonic() + START_S
    while not stop.is_set():
        code = hub.poll()
        if code is not None:
            sys.exit(code if code > 0 else Exit.FAILED)
        address = read_address(folder)
        if address is not None:
            return address
        stop.wait(0.05)
        if time.monotonic() > until:
            raise CommandError(Exit.FAILED, f"the hub did not answer within {START_S:.0f} s")
    return None


def _welcome(address: HubAddress, folder: Path, server: ServerAddress | None) -> None:
    from tukur.hub.console.users import UserConsole

    token = asyncio.run(UserConsole(folder, server).sign_in_link())
    print(f"tukur {_version()} watches this machine; the record is in {server or folder}")
    print("Sign in (once, within 10 minutes; another link: `tukur sign-in-link`):")
    print(f"\n    {address.url}/sign-in#token={token}\n", flush=True)
    if address.trust == "pinned":
        print(f"The certificate was issued by this hub's own authority: {address.ca}", flush=True)
    if address.join:
        print(
            "To add another machine, run `tukur join-token create`, then the command that it prints there.",
            flush=True,
        )
    if os.geteuid() != 0:
        print("Not running as root: less is seen of other users' processes; see `tukur doctor`.", flush=True)


def _version() -> str:
    from tukur import __version__

    return __version__
