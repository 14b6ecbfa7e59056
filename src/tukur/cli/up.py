"""``tukur up``: hub, agent and page on this machine, in one command."""

import argparse
import asyncio
import os
import signal
import sys
import threading
import time
from pathlib import Path

from tukur.cli.errors import CommandError, Exit
from tukur.cli.hub import check_port, hub_settings
from tukur.cli.options.data import data_dir, host_id, secret_file
from tukur.cli.options.logs import begin_logging
from tukur.cli.settings.parser import add_settings
from tukur.cli.settings.resolve import arguments_of, variables
from tukur.cli.settings.table import (
    AGENT,
    COLLECTING,
    DATA,
    ENROL,
    HUB,
    LOG,
    SPOOL,
    UP_ORDERS,
    settings_of,
)
from tukur.cli.supervise import Child
from tukur.hub.address import HubAddress, read_address, remove_address
from tukur.hub.store.backends.address import ServerAddress
from tukur.hub.tls.settings import TlsSettings
from tukur.text import host_name

START_S = 60.0
"""How long the hub may take to answer: a large database may have to be migrated first."""


_NO_FILE = ("--config", os.devnull)
"""For what is started here: everything has been read, and its flags say it."""
_HUB_GROUPS = tuple(group for group in HUB.groups if group not in (DATA, ENROL))
_AGENT_GROUPS = (LOG, SPOOL, COLLECTING)


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    add_settings(parser, (HUB, AGENT), DATA, *_HUB_GROUPS, SPOOL, COLLECTING, UP_ORDERS)


def run(options: argparse.Namespace) -> int:
    """Runs until SIGTERM or SIGINT; restarts what dies."""
    begin_logging(options, "up")
    folder = data_dir(options)
    settings = hub_settings(options, folder)
    check_port(options.host, options.port)
    check_source(options.source)
    said = {*variables(options.settings), *variables(HUB.settings), *variables(AGENT.settings)}
    secrets = set(variables(setting for setting in HUB.settings if setting.secret))
    hub, agent = (
        Child("hub", _hub_arguments(options, folder), without=said - secrets),
        Child("agent", _agent_arguments(options, folder, settings.tls), without=said),
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
            _welcome(address, folder, settings.database)
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


def _hub_arguments(options: argparse.Namespace, folder: Path) -> list[str]:
    from tukur.protocol.auth import new_key, public_key

    key = secret_file(folder / "agent.key", new_key())
    name = host_name() or "localhost"
    return [
        "hub",
        *_NO_FILE,
        *("--data", str(folder)),
        *arguments_of(options, settings_of(_HUB_GROUPS)),
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
        *_NO_FILE,
        *("--data", str(folder)),
        *("--hub", local_url(options, encrypted=tls.encrypted)),
        *(("--pin", str(pinned)) if pinned else ()),
        *(("--tls-name", _name_in(tls.certificate)) if tls.certificate else ()),
        *("--order-key", public_key(secret_file(folder / FILE, new_key())).hex()),
        *("--policy", str(options.policy.expanduser().absolute())),
        *(() if options.monitor_only else ("--allow-signals",)),
        *arguments_of(options, settings_of(_AGENT_GROUPS)),
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
