"""``tukur agent run``: watches this machine for a hub."""

import argparse
import asyncio
import os
import resource
import signal
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tukur import heap
from tukur.cli.errors import CommandError, Exit
from tukur.cli.options.data import data_dir, host_id, secret_file
from tukur.cli.options.logs import begin_logging, set_level
from tukur.cli.settings.parser import add_settings
from tukur.cli.settings.reload import Reload
from tukur.cli.settings.table import AGENT

if TYPE_CHECKING:
    from tukur.agent.agent import Agent
    from tukur.agent.joining.identity import IdentitySource
    from tukur.agent.policy.file import PolicyFile
    from tukur.agent.policy.policy import Policy
    from tukur.agent.spool.spool import Bounds

# Numpy's linear algebra is never used: without this its threads take memory at import.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    add_settings(parser, (AGENT,), *AGENT.groups)
    parser.add_argument("--supervisor", type=int, default=0, help=argparse.SUPPRESS)


def run(options: argparse.Namespace) -> int:
    """Runs the agent until SIGTERM or SIGINT."""
    from tukur.agent.agent import Agent, AgentSettings
    from tukur.agent.foreign import AgentLoop
    from tukur.agent.joining.hub_address import HubAddressError, hub_uri
    from tukur.agent.joining.identity import IdentityError
    from tukur.agent.orders.services import own_unit
    from tukur.agent.policy.file import PolicyError, PolicyFile
    from tukur.agent.policy.policy import Policy
    from tukur.agent.recording.scrub import Scrubber
    from tukur.cli.supervise import die_with_parent
    from tukur.sources.base import Source, SourceUnavailableError
    from tukur.sources.failover import FailoverSource
    from tukur.sources.registry import choose

    begin_logging(options, "agent")
    # One arena: its threads write files, and never two at a time.
    heap.keep_small(1)
    # It reloads the settings, and must not end an agent that is still starting.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    _raise_file_limit()
    if options.supervisor:
        die_with_parent(options.supervisor)
    folder = data_dir(options)
    try:
        identity = _identity(options, folder)
        hub_uri(identity.load().hub)
        base = Policy(own_pid=os.getpid(), own_unit=own_unit(), supervisor=options.supervisor)
        policy = PolicyFile(options.policy, base, _absent_policy(options))
        scrubber = Scrubber(patterns=options.scrub, strip_all=options.strip_arguments)
        source: Source = choose(options.source)[0]
        if options.source is None:
            source = FailoverSource(source, lambda: choose()[0])
    except (IdentityError, HubAddressError, PolicyError, ValueError) as error:
        raise CommandError(Exit.USAGE, str(error)) from error
    except SourceUnavailableError as error:
        raise CommandError(Exit.SOURCE_UNAVAILABLE, str(error)) from error
    settings = AgentSettings(
        identity=identity,
        spool=folder / "spool",
        policy=policy,
        scrubber=scrubber,
        spool_bounds=_spool_bounds(options),
        drain_rate=options.drain_rate * 1024,
    )
    reload = Reload(options)

    async def work() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        agent = Agent(settings, source)
        loop.add_signal_handler(signal.SIGHUP, lambda: reload(lambda changed: _apply(agent, policy, changed)))
        await agent.run(stop)

    try:
        with asyncio.Runner(loop_factory=AgentLoop) as runner:
            runner.run(work())
    except OSError as error:
        raise CommandError(Exit.FAILED, f"the agent stopped: {error}") from error
    return 0


def _apply(agent: "Agent", policy: "PolicyFile", options: argparse.Namespace) -> Collection[str]:
    """Of a running agent. Raises CommandError."""
    from tukur.agent.policy.file import PolicyError

    try:
        policy.change(options.policy, _absent_policy(options))
    except PolicyError as error:
        raise CommandError(Exit.USAGE, str(error)) from error
    agent.change(_spool_bounds(options), options.drain_rate * 1024)
    set_level(options.log_level)
    return ()


def _absent_policy(options: argparse.Namespace) -> "Policy | None":
    """Where there is no policy file; None: nothing is allowed."""
    from tukur.agent.policy.policy import ACTIONS, SIGNALS, Policy

    return Policy(signals=SIGNALS, actions=ACTIONS) if options.allow_signals else None


def _spool_bounds(options: argparse.Namespace) -> "Bounds":
    from tukur.agent.spool.spool import Bounds

    return Bounds(int(options.spool_size * 2**20), options.spool_age * 86_400)


def _raise_file_limit() -> None:
    """Each process of a set that an order is for is held by a descriptor."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _identity(options: argparse.Namespace, folder: Path) -> "IdentitySource":
    """Of a machine that has joined, or that was given by --order-key. Raises CommandError."""
    from tukur.agent.joining.identity import GivenIdentity, Identity, JoinedFile
    from tukur.protocol.auth import new_key

    if options.order_key is None:
        joined = JoinedFile(folder)
        if not joined.exists():
            raise CommandError(
                Exit.USAGE,
                f"this machine has not joined a hub ({joined.path} does not exist); "
                "run `tukur agent join URL TOKEN`",
            )
        if options.hub and options.hub != joined.load().hub:
            joined.change(lambda known: msgspec.structs.replace(known, hub=options.hub))
        return joined
    identity = Identity(
        hub=options.hub or "http://127.0.0.1:8787",
        host_id=host_id(folder),
        key=secret_file(folder / "agent.key", new_key()),
        order_key=bytes.fromhex(options.order_key),
        tls_name=options.tls_name or "",
    )
    return GivenIdentity(identity, options.pin)
