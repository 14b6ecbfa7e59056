"""Orders to sets of real processes, their priorities and the freezer."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.cgroups import cgroups
from tests.support.mainless import mainless, zombie_of
from tests.support.waiting import until
from tests.unit.agent.orders.test_executor import order_to, outcomes
from tukur.agent.orders.executor import Executor
from tukur.agent.orders.process_handle import ProcessHandle
from tukur.agent.orders.scope import Place, descendants, most_frequent, pids_in_scope, places
from tukur.agent.policy.policy import ACTIONS, SIGNALS, Policy, Selection
from tukur.protocol.messages import Action, OrderBody, OrderResult
from tukur.sources.proc import read_stat

POLICY = Policy(signals=SIGNALS, actions=ACTIONS, own_pid=os.getpid())
TREE = """
import os, sys, time
for _ in range(3):
    if os.fork() == 0:
        if os.fork() == 0:
            time.sleep(60)
        time.sleep(60)
print("ready", flush=True)
time.sleep(60)
"""
FORKS = """
import os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
print("ready", flush=True)
end = time.monotonic() + 20
while time.monotonic() < end:
    if os.fork() == 0:
        time.sleep(0.001)
        continue
    os._exit(0)
"""

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []

    def begin(program: str = "import time; print('ready', flush=True); time.sleep(60)") -> Any:
        child = subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, start_new_session=True
        )
        started.append(child)
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        return child

    yield begin
    for child in started:
        for pid in descendants(child.pid, _parents()):
            if pid != os.getpid():
                _kill(pid)
        child.wait()
        if child.stdout:
            child.stdout.close()


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _parents() -> dict[int, int]:
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal())
    return {pid: stat.ppid for pid in pids if (stat := read_stat(pid)) is not None}


def doing(pid: int, **action: Any) -> OrderBody:
    body = order_to(pid, "")
    return OrderBody(
        **{
            **{name: getattr(body, name) for name in body.__struct_fields__},
            "action": Action(**action),
        }
    )


async def carried_out(body: OrderBody, policy: Policy = POLICY) -> OrderResult:
    return (await outcomes(body, Executor(policy, lambda _: None, 2.0)))[-1]


def living(pid: int) -> bool:
    stat = read_stat(pid)
    return stat is not None and stat.state not in "ZX"


# --- trees


async def test_a_whole_tree_is_ended_and_each_of_it_is_told(start: Start) -> None:
    child = start(TREE)
    await until(lambda: len(descendants(child.pid, _parents())) == 7)
    tree = descendants(child.pid, _parents())
    done = await carried_out(doing(child.pid, scope="tree", signal="KILL"))
    assert (done.outcome, done.final, done.more) == ("exited", True, 0)
    assert {member.pid for member in done.members} == set(tree)
    assert {member.outcome for member in done.members} == {"exited"}
    assert not any(living(pid) for pid in tree)
    assert done.freed
    assert done.freed > 1_000_000


async def test_a_protected_one_within_a_tree_is_spared_and_told(start: Start) -> None:
    child = start(
        TREE.replace("time.sleep(60)\n        time", "os.execv('/bin/sleep', ['sleep', '60'])\n        time")
    )

    def sleeping() -> set[int]:
        return {pid for pid in descendants(child.pid, _parents()) if _name(pid) == "sleep"}

    await until(lambda: len(sleeping()) == 3)
    spared = sleeping()
    policy = replace(POLICY, protect=Selection(names=("sleep",)))
    done = await carried_out(doing(child.pid, scope="tree", signal="KILL"), policy)
    assert done.outcome == "exited"
    assert {member.pid for member in done.members if member.outcome == "refused"} == spared
    assert all(living(pid) for pid in spared)
    assert not living(child.pid)
    for pid in spared:
        _kill(pid)


SPAWNS = """
import os, time
print("ready", flush=True)
for _ in range(2000):
    if os.fork() == 0:
        os.execv("/bin/sleep", ["tukur-spawned", "30"])
    time.sleep(0.0003)
"""


async def test_what_goes_on_forking_does_not_get_its_children_out_of_its_tree(start: Start) -> None:
    child = start(SPAWNS)
    await until(lambda: len(descendants(child.pid, _parents())) > 10)
    done = await carried_out(doing(child.pid, scope="tree", signal="KILL"))
    assert done.outcome == "exited"
    assert len(done.members) > 10
    left = subprocess.run(["pgrep", "-fx", "tukur-spawned 30"], capture_output=True, text=True, check=False)
    try:
        assert left.stdout == ""
    finally:
        for pid in left.stdout.split():
            _kill(int(pid))


def _name(pid: int) -> str:
    stat = read_stat(pid)
    return stat.name if stat else ""


async def test_what_goes_on_forking_does_not_get_away_from_its_cgroup(start: Start) -> None:
    with cgroups() as made:
        child = start("import time; print('ready', flush=True); time.sleep(60)")
        made.place("tukur-test-forks", child.pid)
        folder = made.root / "tukur-test-forks"
        enter = f"open({str(folder / 'cgroup.procs')!r}, 'w').write('0')\n"
        forker = subprocess.Popen([sys.executable, "-c", enter + FORKS], stdout=subprocess.PIPE)
        assert forker.stdout is not None
        forker.stdout.readline()
        done = await carried_out(doing(child.pid, scope="cgroup", signal="KILL", of=f"{_below(child.pid)}"))
        assert done.outcome == "exited", done.detail
        assert (folder / "cgroup.procs").read_text() == ""
        assert (folder / "cgroup.freeze").read_text().strip() == "0"
        forker.stdout.close()
        forker.wait()


def _below(pid: int) -> str:
    return places()[pid].cgroup


# --- cgroups


async def test_a_cgroup_is_frozen_and_thawed_and_the_kernel_is_asked_whether(start: Start) -> None:
    with cgroups() as made:
        child = start()
        made.place("tukur-test-freeze", child.pid)
        of = _below(child.pid)
        events = made.root / "tukur-test-freeze/cgroup.events"
        done = await carried_out(doing(child.pid, verb="freeze", scope="cgroup", of=of))
        assert done.outcome == "frozen"
        assert "frozen 1" in events.read_text()
        done = await carried_out(doing(child.pid, verb="thaw", scope="cgroup", of=of))
        assert done.outcome == "thawed"
        assert "frozen 0" in events.read_text()


async def test_a_process_that_has_moved_to_another_cgroup_takes_nobody_along(start: Start) -> None:
    with cgroups() as made:
        child = start()
        made.place("tukur-test-here", child.pid)
        body = doing(child.pid, scope="cgroup", signal="KILL", of=_below(child.pid))
        made.place("tukur-test-there", child.pid)
        done = await carried_out(body)
        assert (done.outcome, done.code) == ("refused", "other_set")
        assert living(child.pid)


async def test_what_was_killed_before_the_agent_came_into_the_cgroup_is_reported(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cgroups() as made:
        child, agent = start(), start()
        made.place("tukur-test-entered", child.pid)
        send = ProcessHandle.send

        def enter_and_send(handle: ProcessHandle, name: str) -> None:
            made.place("tukur-test-entered", agent.pid)
            send(handle, name)

        monkeypatch.setattr(ProcessHandle, "send", enter_and_send)
        body = doing(child.pid, scope="cgroup", signal="KILL", of=_below(child.pid))
        done = await carried_out(body, replace(POLICY, own_pid=agent.pid))
        assert (done.outcome, done.code) == ("exited", "protected")
        assert done.detail == "then no more: PID 1 or tukur itself is in this cgroup"
        assert [member.outcome for member in done.members] == ["exited"]
        assert living(agent.pid)


async def test_a_cgroup_that_the_agent_is_in_is_refused_as_a_whole(start: Start) -> None:
    with cgroups() as made:
        child = start()
        other = start()
        for pid in (child.pid, other.pid):
            made.place("tukur-test-ours", pid)
        of = _below(child.pid)
        policy = replace(POLICY, own_pid=other.pid)
        for verb, value in (("signal", "KILL"), ("freeze", "")):
            done = await carried_out(doing(child.pid, verb=verb, signal=value, scope="cgroup", of=of), policy)
            assert (done.outcome, done.code) == ("refused", "protected")
        assert living(child.pid)
        assert "frozen 0" in (made.root / "tukur-test-ours/cgroup.events").read_text()


async def test_a_cgroup_with_a_protected_process_in_it_is_not_frozen(start: Start) -> None:
    with cgroups() as made:
        child = start()
        made.place("tukur-test-kept", child.pid)
        policy = replace(POLICY, protect=Selection(names=("python3*",)))
        done = await carried_out(
            doing(child.pid, verb="freeze", scope="cgroup", of=_below(child.pid)), policy
        )
        assert (done.outcome, done.code) == ("refused", "protected")


async def test_the_root_is_no_cgroup_to_act_on_and_a_single_process_none_to_freeze(start: Start) -> None:
    child = start()
    policy = replace(POLICY, own_pid=0)
    if not _below(child.pid).strip("/"):
        done = await carried_out(doing(child.pid, scope="cgroup", signal="KILL", of="/"), policy)
        assert (done.outcome, done.code) == ("refused", "no_such_set")
    done = await carried_out(doing(child.pid, verb="freeze"), policy)
    assert (done.outcome, done.code) == ("refused", "bad_scope")
    assert living(child.pid)


# --- priorities


async def test_every_thread_gets_the_nice_value_and_it_is_read_back(start: Start) -> None:
    child = start(
        "import threading, time\n"
        "[threading.Thread(target=time.sleep, args=(60,), daemon=True).start() for _ in range(3)]\n"
        "print('ready', flush=True); time.sleep(60)"
    )
    done = await carried_out(doing(child.pid, verb="renice", value="12"))
    assert done.outcome == "changed"
    threads = [int(entry.name) for entry in Path(f"/proc/{child.pid}/task").iterdir()]
    assert len(threads) == 4
    assert {os.getpriority(os.PRIO_PROCESS, thread) for thread in threads} == {12}


async def test_an_io_priority_is_set_and_read_back(start: Start) -> None:
    child = start()
    assert (await carried_out(doing(child.pid, verb="ionice", value="idle"))).outcome == "changed"
    shown = subprocess.run(["ionice", "-p", str(child.pid)], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "idle"


@pytest.mark.parametrize(
    ("verb", "value"),
    [
        ("renice", "20"),
        ("renice", "x"),
        ("renice", ""),
        ("ionice", "realtime:0"),
        ("ionice", "best-effort:8"),
    ],
)
async def test_a_priority_that_is_none_changes_nothing(start: Start, verb: str, value: str) -> None:
    child = start()
    done = await carried_out(doing(child.pid, verb=verb, value=value))
    assert (done.outcome, done.code) == ("refused", "bad_order")
    assert "expected" in done.detail
    assert os.getpriority(os.PRIO_PROCESS, child.pid) == os.getpriority(os.PRIO_PROCESS, 0)


async def test_what_the_policy_does_not_name_is_not_done(start: Start) -> None:
    child = start()
    only_signals = replace(POLICY, actions=())
    for verb, scope in (("renice", "process"), ("ionice", "tree"), ("freeze", "cgroup"), ("thaw", "unit")):
        done = await carried_out(doing(child.pid, verb=verb, value="5", scope=scope), only_signals)
        assert (done.outcome, done.code) == ("refused", "action_forbidden")
    assert os.getpriority(os.PRIO_PROCESS, child.pid) == os.getpriority(os.PRIO_PROCESS, 0)


# --- main threads that ended, and zombies


async def test_a_tree_is_ended_though_its_main_thread_ended_and_its_zombies_are_told(tmp_path: Path) -> None:
    with mainless(tmp_path, mib=30) as process:
        zombie = zombie_of(process)
        await until(lambda: not living(zombie))
        done = await carried_out(doing(process.pid, scope="tree", signal="KILL"))
        assert (done.outcome, done.detail) == ("exited", "1 exited, 1 gone")
        members = {member.pid: (member.outcome, member.detail) for member in done.members}
        assert members == {
            process.pid: ("exited", ""),
            zombie: ("gone", f"it had ended already, as a zombie of worker (PID {process.pid})"),
        }
        assert done.freed
        assert 30 << 20 < done.freed < 50 << 20


async def test_a_tree_of_a_zombie_is_nothing_but_that(tmp_path: Path) -> None:
    with mainless(tmp_path) as process:
        zombie = zombie_of(process)
        await until(lambda: not living(zombie))
        done = await carried_out(doing(zombie, scope="tree", signal="KILL"))
        assert (done.outcome, done.code, done.exit_code) == ("gone", "zombie", 3)
        assert living(process.pid)


async def test_stop_and_priorities_reach_a_process_whose_main_thread_ended(tmp_path: Path) -> None:
    with mainless(tmp_path) as process:
        done = await carried_out(doing(process.pid, scope="tree", signal="STOP"))
        assert done.outcome == "stopped"
        assert (await carried_out(doing(process.pid, verb="renice", value="11"))).outcome == "changed"
        assert (await carried_out(doing(process.pid, verb="ionice", value="idle"))).outcome == "changed"
        stat = read_stat(process.pid)
        assert stat is not None
        assert (stat.state, stat.nice) == ("T", 11)


async def test_a_protected_program_in_a_tree_is_spared_though_its_main_thread_ended(tmp_path: Path) -> None:
    with mainless(tmp_path, "mysqld") as process:
        done = await carried_out(doing(process.pid, scope="tree", signal="KILL"))
        assert (done.outcome, done.code) == ("refused", "protected")
        assert living(process.pid)


async def test_a_cgroup_with_a_zombie_is_frozen_and_killed(start: Start) -> None:
    with cgroups() as made:
        child = start(
            "import os, time\nif os.fork() == 0: os._exit(0)\nprint('ready', flush=True); time.sleep(60)"
        )
        (zombie,) = (pid for pid, parent in _parents().items() if parent == child.pid)
        await until(lambda: not living(zombie))
        made.place("tukur-test-zombie", child.pid)
        of = _below(child.pid)
        assert (await carried_out(doing(child.pid, verb="freeze", scope="cgroup", of=of))).outcome == "frozen"
        assert (await carried_out(doing(child.pid, verb="thaw", scope="cgroup", of=of))).outcome == "thawed"
        assert (await carried_out(doing(child.pid, scope="cgroup", signal="KILL", of=of))).outcome == "exited"


# --- who belongs together


def test_a_tree_is_told_from_the_root_down_and_a_loop_of_parents_ends() -> None:
    assert descendants(1, {1: 0, 2: 1, 3: 1, 4: 2, 9: 8}) == [1, 2, 3, 4]
    assert descendants(1, {1: 2, 2: 1}) == [1, 2]


def test_a_cgroup_has_those_below_it_and_none_of_a_name_that_only_begins_alike() -> None:
    known = {1: Place(0, "/a"), 2: Place(1, "/a/b"), 3: Place(1, "/ab"), 4: Place(1, "")}
    assert pids_in_scope("cgroup", 2, "/a", known) == [2, 1]


def test_a_unit_is_all_of_it_wherever_below_it_they_are() -> None:
    known = {
        5: Place(1, "/system.slice/web.service/worker"),
        4: Place(1, "/system.slice/web.service"),
        6: Place(1, "/system.slice/web2.service"),
    }
    assert pids_in_scope("unit", 5, "web.service", known) == [5, 4]


def test_the_most_frequent_names_come_first() -> None:
    assert most_frequent(["b", "a", "b", "c"], 2) == ["b", "a"]
