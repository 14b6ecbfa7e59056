"""What this host is."""

import platform
import time
from collections.abc import Sequence
from pathlib import Path

from tukur import __version__
from tukur.agent.machine import Machine
from tukur.agent.policy.policy import Policy, Selection
from tukur.agent.policy.protected_programs import PROTECTED_PROGRAMS
from tukur.protocol.messages import HostFacts, PolicyFacts, Selected
from tukur.sources import boot_clock
from tukur.sources.base import Source
from tukur.text import host_name, readable


def boot_id() -> str:
    """The kernel's UUID of this boot."""
    return readable(Path("/proc/sys/kernel/random/boot_id").read_bytes().strip())


def os_name() -> str:
    """PRETTY_NAME of os-release(5); "Linux" where it has none, or is not readable."""
    try:
        return readable(platform.freedesktop_os_release()["PRETTY_NAME"])
    except (OSError, UnicodeDecodeError):
        return "Linux"


def host_facts(
    source: Source, policy: Policy, machine: Machine, blind_spots: Sequence[str] = ()
) -> HostFacts:
    """The facts for a hello; `blind_spots` beyond the source's own."""
    return HostFacts(
        hostname=host_name(),
        kernel=readable(platform.release()),
        os=os_name(),
        architecture=platform.machine(),
        cpus=machine.cpus,
        mem_total=machine.mem_total,
        boot_id=boot_id(),
        booted_wall_ns=time.time_ns() - boot_clock.now_ns(),
        agent_version=__version__,
        source=source.name,
        blind_spots=[*source.blind_spots, *blind_spots, *_clock_blind_spots()],
        signals=list(policy.signals),
        protected_pids=[1, policy.own_pid],
        policy=PolicyFacts(
            actions=list(policy.actions),
            allow=_selected(policy.allow),
            protect=_selected(policy.protect),
            dangerous=[
                name for _, names in PROTECTED_PROGRAMS for name in names if name not in policy.unprotect
            ],
            problem=policy.problem,
        ),
        mem_limit=machine.limit.size if machine.limit is not None else 0,
        mem_limit_of=machine.limit.cgroup if machine.limit is not None else "",
    )


def _clock_blind_spots() -> list[str]:
    return [] if boot_clock.known() else [f"{boot_clock.UNKNOWN[0].upper()}{boot_clock.UNKNOWN[1:]}."]


def _selected(selection: Selection) -> Selected:
    return Selected(users=list(selection.users), units=list(selection.units), names=list(selection.names))
