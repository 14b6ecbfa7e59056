"""The units are sound, and the agent's work needs just the rights that they give."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cgroups import Cgroups, cgroups
from tests.support.running import tukur

UNITS = Path(__file__).resolve().parents[2] / "deploy" / "systemd"
NOBODY = "65534"

KILLS = """
import asyncio, os, sys, time
from tukur.agent.facts import boot_id
from tukur.agent.orders.scope import places
from tukur.sources.proc import CLOCK_TICK_NS, read_stat
from tukur.agent.policy.policy import ACTIONS, SIGNALS, Policy
from tukur.agent.orders.executor import Executor
from tukur.protocol.messages import Action, OrderBody, ProcessKey

pid = int(sys.argv[1])
action = {
    "renice": Action(verb="renice", value="-5"),
    "cgroup": Action(signal="KILL", scope="cgroup", of=places()[pid].cgroup),
}.get(sys.argv[2])
start_ns = read_stat(pid).start_ticks * CLOCK_TICK_NS
body = OrderBody(
    order_id="o", host_id=boot_id(), target=ProcessKey(boot_id(), pid, start_ns), actor="ada",
    signal="" if action else "KILL", action=action, nonce=bytes(16), issued_wall_ns=0, expires_wall_ns=1,
)
executor = Executor(Policy(signals=SIGNALS, actions=ACTIONS), lambda _: None)
async def run():
    return [told async for told in executor.execute(body)]
print(asyncio.run(run())[-1].outcome)
"""
WATCHES = """
from tukur.sources.registry import choose
source, _ = choose("bpf")
tasks = source.read()
print(len(set(tasks["pid"].tolist())) > 10, source.name)
open("/dev/kmsg").close()
"""

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to take rights away")


def capabilities(*files: str) -> list[str]:
    """Of the unit, as the last of the files says."""
    found: list[str] = []
    for file in files:
        for line in (UNITS / file).read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition("=")
            if name == "AmbientCapabilities":
                found = found + value.split() if value else []
    return found


def under(held: list[str], program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs Python as nobody with these capabilities and no others to be had."""
    words = ",".join(["-all", *(f"+{name.removeprefix('CAP_').lower()}" for name in held)])
    limits = ["--bounding-set", words, "--inh-caps", words, "--ambient-caps", words, "--no-new-privs"]
    command = ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", *limits]
    return subprocess.run(
        [*command, sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@needs_systemd
@pytest.mark.parametrize("unit", ["tukur-agent.service", "tukur-hub.service"])
def test_systemd_takes_the_unit(unit: str, tmp_path: Path) -> None:
    shutil.copytree(UNITS, tmp_path, dirs_exist_ok=True)
    file = tmp_path / unit
    # What it starts and whom it runs as are not on this machine.
    text = file.read_text().replace("/usr/local/bin/tukur", "/bin/true")
    file.write_text("\n".join(line for line in text.splitlines() if not line.startswith(("User=", "Group="))))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(file)], capture_output=True, text=True, check=False
    )
    assert [line for line in done.stderr.splitlines() if unit in line or str(tmp_path) in line] == []


@pytest.mark.parametrize(("unit", "command"), [("tukur-agent", "agent run"), ("tukur-hub", "hub")])
def test_the_unit_leaves_every_setting_to_the_users_file(unit: str, command: str) -> None:
    lines = (UNITS / f"{unit}.service").read_text().splitlines()
    assert f"ExecStart=/usr/local/bin/tukur {command}" in lines
    assert f"StateDirectory={unit}" in lines
    assert not [line for line in lines if line.startswith("Environment")]


def test_the_settings_file_for_the_hubs_unit_is_valid_and_says_where_its_data_is() -> None:
    file = str(UNITS / "hub.toml")
    checked = tukur("config", "check", file)
    assert checked.returncode == 0, checked.stderr
    shown = tukur("config", "show", "hub", "--config", file).stdout
    assert f"data in {file}" in shown
    assert "/var/lib/tukur-hub" in shown


@needs_systemd
@pytest.mark.parametrize(("unit", "most"), [("tukur-agent.service", 45), ("tukur-hub.service", 20)])
def test_the_unit_leaves_little_open(unit: str, most: int) -> None:
    check = [
        "systemd-analyze",
        "security",
        "--offline=yes",
        f"--threshold={most}",
        "--no-pager",
        str(UNITS / unit),
    ]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-800:] + done.stderr


@needs_root
def test_the_agents_rights_are_enough_to_see_every_process() -> None:
    done = under(capabilities("tukur-agent.service"), WATCHES)
    assert done.stdout.strip() == "True bpf", done.stderr


@needs_root
@pytest.mark.parametrize(("what", "outcome"), [("kill", "exited"), ("renice", "changed")])
def test_the_agents_rights_are_enough_to_reach_anothers_process(what: str, outcome: str) -> None:
    assert _on_a_process(capabilities("tukur-agent.service"), what) == outcome


@needs_root
def test_a_cgroup_that_the_agent_may_not_freeze_is_ended_all_the_same() -> None:
    with cgroups() as made:
        path = "tukur-test-least"
        assert _on_a_process(capabilities("tukur-agent.service"), "cgroup", made, path) == "exited"


@needs_root
@pytest.mark.parametrize("what", ["kill", "renice"])
def test_a_monitor_only_agent_cannot_reach_anybody_whatever_its_policy_says(what: str) -> None:
    held = capabilities("tukur-agent.service", "tukur-agent.service.d/monitor-only.conf")
    assert held
    assert _on_a_process(held, what) == "not_permitted"


def _on_a_process(held: list[str], what: str, made: Cgroups | None = None, path: str = "") -> str:
    child = subprocess.Popen(["sleep", "60"])
    try:
        if made is not None:
            made.place(path, child.pid)
        done = under(held, KILLS, str(child.pid), what)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()
    finally:
        child.kill()
        child.wait()
