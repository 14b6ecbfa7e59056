"""What this host is."""

import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path

from tukur import __version__
from tukur.agent.policy.policy import Policy, Selection
from tukur.agent.policy.protected_programs import PROTECTED_PROGRAMS
from tukur.protocol.messages import HostFacts, PolicyFacts, Selected
from tukur.sources import boot_clock
from tukur.sources.base import Source


def boot_id() -> str:
    """The kernel's UUID of this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def os_name() -> str:
    """PRETTY_NAME of os-release(5); "Linux" where it has none, or is not readable."""
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, UnicodeDecodeError):
        return "Linux"


def host_facts(source: Source, policy: Policy, mem_total: int, blind_spots: Sequence[str] = ()) -> HostFacts:
    """The facts for a hello; `mem_total` in bytes; `blind_spots` beyond the source's own."""
    return HostFacts(
        hostname=platform.node(),
        kernel=platform.release(),
        os=os_name(),
        architecture=platform.machine(),
        cpus=os.cpu_count() or 1,
        mem_total=mem_total,
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
    )


def _clock_blind_spots() -> list[str]:
    return [] if boot_clock.known() else [f"{boot_clock.UNKNOWN[0].upper()}{boot_clock.UNKNOWN[1:]}."]


def _selected(selection: Selection) -> Selected:
    return Selected(users=list(selection.users), units=list(selection.units), names=list(selection.names))
