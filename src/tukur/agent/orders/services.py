"""What would restart a process: its service manager, its container engine, a supervising parent."""

import asyncio
import os
import shutil
import subprocess
import time
from pathlib import Path

from tukur.sources.identity import container_of, read_identity, unit_of

SUPERVISORS = {
    "supervisord": "supervisord",
    "runsv": "runit",
    "s6-supervise": "s6",
    "supervise": "daemontools",
    "monit": "monit",
    "pm2": "pm2",
    "god": "god",
    "circusd": "circus",
}
"""Names of parents that restart their children."""

_RESPAWN_S = 2.0
_RESPAWN_EVERY_S = 0.2


def systemd_runs() -> bool:
    """Whether systemd manages this machine (sd_booted(3))."""
    return Path("/run/systemd/system").is_dir() and shutil.which("systemctl") is not None


def unit_of_pid(pid: int) -> str:
    """The systemd service that this process belongs to; empty: none."""
    if not systemd_runs():
        return ""
    identity = read_identity(pid, arguments=False)
    unit = unit_of(identity.cgroup) if identity else ""
    return unit if unit.endswith(".service") else ""


def own_unit() -> str:
    """The service that this process runs in; empty: none of its own, such as in a user's session."""
    identity = read_identity(os.getpid(), arguments=False)
    unit = unit_of(identity.cgroup) if identity else ""
    return unit if unit.endswith(".service") and not unit.startswith("user@") else ""


def parse_show(text: str) -> dict[str, str]:
    """The properties that ``systemctl show`` prints, one ``Name=value`` a line."""
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


async def show(unit: str) -> dict[str, str]:
    """Restart, MainPID and NRestarts of a unit; empty where systemd does not answer in 2 s."""
    try:
        process = await asyncio.create_subprocess_exec(
            "systemctl",
            "show",
            "--property=Restart,MainPID,NRestarts,TriggeredBy",
            "--",
            unit,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return {}
    try:
        out, _ = await asyncio.wait_for(process.communicate(), 2)
    except TimeoutError:
        process.kill()
        await process.wait()
        return {}
    return parse_show(out.decode("utf-8", "replace"))


async def respawned(unit: str, old_pid: int) -> int | None:
    """The unit's new main PID; None: there was none within two seconds."""
    until = time.monotonic() + _RESPAWN_S
    while time.monotonic() < until:
        main = (await show(unit)).get("MainPID", "")
        if main.isdecimal() and int(main) not in (0, old_pid):
            return int(main)
        await asyncio.sleep(_RESPAWN_EVERY_S)
    return None


def restart_sentence(unit: str, properties: dict[str, str], pid: int) -> str:
    """What systemd would do after this process ends, as a sentence; empty: nothing."""
    policy = properties.get("Restart", "no")
    restart = f"Restart={policy}"
    triggers = properties.get("TriggeredBy", "")
    if properties.get("MainPID") not in ("", None, str(pid)):
        return f"{unit} goes on without it: its main process is {properties['MainPID']}"
    after = {
        "always": f"systemd starts {unit} again, however it ends ({restart})",
        "on-success": f"systemd starts {unit} again after a clean end, TERM included ({restart})",
        "on-failure": f"systemd starts {unit} again after KILL or a failure, not after TERM ({restart})",
        "on-abnormal": f"systemd starts {unit} again after KILL, not after TERM ({restart})",
        "on-abort": f"systemd starts {unit} again after KILL, not after TERM ({restart})",
        "on-watchdog": "",
        "no": "",
    }.get(policy, f"systemd may start {unit} again ({restart})")
    if not after and triggers:
        return f"{triggers} may start {unit} again"
    return after


async def who_restarts(pid: int, ns_pid: int, parent_name: str, parent_pid: int) -> str:
    """What would restart this process, as a sentence; empty: nothing that is known."""
    unit = unit_of_pid(pid)
    if unit:
        sentence = restart_sentence(unit, await show(unit), pid)
        if sentence:
            return sentence
    identity = read_identity(pid, arguments=False)
    container = container_of(identity.cgroup) if identity else ""
    if container and ns_pid == 1:
        return f"it is the first process of {container}: the engine's restart policy decides"
    if parent_name in SUPERVISORS:
        return f"{SUPERVISORS[parent_name]} (PID {parent_pid}) starts it again"
    return ""
