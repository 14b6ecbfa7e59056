"""Orders on real processes: the signal reaches just the process that was meant, or nothing."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from tests.support.mainless import mainless, zombie_of
from tests.support.waiting import until
from tukur.agent.facts import boot_id
from tukur.agent.orders.executor import Executor
from tukur.agent.orders.gate import OrderGate, RefusedError
from tukur.agent.policy import subject
from tukur.agent.policy.policy import SIGNALS, Policy, Selection
from tukur.protocol import auth, messages
from tukur.protocol.messages import OrderBody, OrderResult, ProcessKey
from tukur.sources.proc import CLOCK_TICK_NS, read_stat
from tukur.sources.users import Users

HOST = "11111111-2222-3333-4444-555555555555"
KEY = auth.new_key()
IGNORES_TERM = (
    "import signal,time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
)

Spawn = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    children: list[subprocess.Popen[bytes]] = []

    def start(*command: str) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(command or ("sleep", "60"), stdout=subprocess.PIPE)
        children.append(child)
        return child

    yield start
    for child in children:
        child.kill()
        child.wait()
        if child.stdout:
            child.stdout.close()


def start_ns_of(pid: int) -> int:
    stat = read_stat(pid)
    assert stat is not None
    return stat.start_ticks * CLOCK_TICK_NS


def order_to(pid: int, name: str, start_ns: int | None = None) -> OrderBody:
    now = time.time_ns()
    return OrderBody(
        order_id="o1",
        host_id=HOST,
        target=ProcessKey(boot_id(), pid, start_ns if start_ns is not None else start_ns_of(pid)),
        signal=name,
        nonce=os.urandom(16),
        issued_wall_ns=now,
        expires_wall_ns=now + 10**10,
        actor="ada",
    )


def executor(observe_s: float = 2.0, exact: Callable[[int], int | None] = lambda _: None) -> Executor:
    return Executor(Policy(signals=SIGNALS, own_pid=os.getpid()), exact, observe_s)


async def outcomes(body: OrderBody, by: Executor | None = None) -> list[OrderResult]:
    return [result async for result in (by or executor()).execute(body)]


async def test_a_killed_process_is_reported_with_its_signal_and_the_time_it_took(spawn: Spawn) -> None:
    child = spawn()
    asyncio.get_running_loop().call_later(0.05, child.poll)
    results = await outcomes(order_to(child.pid, "KILL"))
    assert [result.outcome for result in results] == ["delivered", "exited"]
    assert results[-1].final
    assert results[-1].exit_signal == 9
    assert results[-1].after_ms is not None
    assert results[-1].after_ms < 1000


async def test_memory_of_its_own_that_a_killed_process_held_is_told_as_freed(spawn: Spawn) -> None:
    child = spawn(
        sys.executable, "-c", "held = b'x' * 50_000_000; print(flush=True); import time; time.sleep(60)"
    )
    assert child.stdout is not None
    child.stdout.readline()
    last = (await outcomes(order_to(child.pid, "KILL")))[-1]
    assert last.freed is not None
    assert 50_000_000 < last.freed < 100_000_000


async def test_a_process_that_nobody_collects_is_told_to_be_a_zombie_and_whose(spawn: Spawn) -> None:
    child = spawn()
    last = (await outcomes(order_to(child.pid, "KILL")))[-1]
    assert (last.outcome, last.code) == ("exited", "zombie")
    assert f"(PID {os.getpid()})" in last.detail


async def test_what_was_a_zombie_before_the_order_is_told_so_and_whose(spawn: Spawn) -> None:
    child = spawn("sh", "-c", "exit 3")
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    (only,) = await outcomes(order_to(child.pid, "KILL"))
    assert (only.outcome, only.code, only.final) == ("gone", "zombie", True)
    own = read_stat(os.getpid())
    assert own is not None
    assert only.detail == f"it had ended already, as a zombie of {own.name} (PID {os.getpid()})"
    assert (only.exit_code, only.exit_signal, only.freed, only.after_ms) == (3, None, None, None)


async def test_a_zombie_whose_parents_main_thread_ended_is_told_by_that_parent(tmp_path: Path) -> None:
    with mainless(tmp_path) as parent:
        child = zombie_of(parent)
        await until(lambda: (stat := read_stat(child)) is not None and stat.ended)
        (only,) = await outcomes(order_to(child, "TERM"))
        assert (only.outcome, only.code) == ("gone", "zombie")
        assert only.detail.endswith(f"a zombie of worker (PID {parent.pid})")


async def test_a_process_whose_main_thread_ended_is_stopped_continued_and_killed(tmp_path: Path) -> None:
    with mainless(tmp_path, mib=40) as process:
        assert (await outcomes(order_to(process.pid, "STOP")))[-1].outcome == "stopped"
        assert (await outcomes(order_to(process.pid, "CONT")))[-1].outcome == "running"
        last = (await outcomes(order_to(process.pid, "KILL")))[-1]
        assert (last.outcome, last.exit_signal) == ("exited", 9)
        assert last.freed is not None
        assert 40 << 20 < last.freed < 60 << 20


async def test_a_process_whose_main_thread_ended_is_protected_by_its_program(tmp_path: Path) -> None:
    with mainless(tmp_path, "mysqld") as process:
        (only,) = await outcomes(order_to(process.pid, "KILL"))
        assert (only.outcome, only.code) == ("refused", "protected")
        assert "mysqld is protected" in only.detail
        assert process.poll() is None


async def test_a_process_whose_main_thread_ended_is_told_to_be_stopped(tmp_path: Path) -> None:
    with mainless(tmp_path) as process:
        await outcomes(order_to(process.pid, "STOP"))
        last = (await outcomes(order_to(process.pid, "TERM"), executor(observe_s=0.2)))[-1]
        assert (last.outcome, last.code) == ("alive", "stopped")


async def test_a_process_that_waits_in_the_kernel_is_told_to_be_uninterruptible(spawn: Spawn) -> None:
    # After vfork(2) the parent waits so for its child; it comes to no signal that would not end it.
    ignores = "import ctypes, signal, time; signal.signal(15, signal.SIG_IGN);"
    program = f"{ignores} ctypes.CDLL(None).vfork(); time.sleep(60)"
    child = spawn(sys.executable, "-c", program)

    def waits_in_kernel() -> bool:
        stat = read_stat(child.pid)
        return stat is not None and stat.state == "D"

    await until(waits_in_kernel)
    last = (await outcomes(order_to(child.pid, "TERM"), executor(observe_s=0.3)))[-1]
    assert (last.outcome, last.code) == ("alive", "uninterruptible")
    assert "state D" in last.detail
    subprocess.run(["pkill", "-9", "-P", str(child.pid)], check=False)


async def test_a_stopped_process_is_told_to_wait_with_the_signal(spawn: Spawn) -> None:
    child = spawn()
    await outcomes(order_to(child.pid, "STOP"))
    last = (await outcomes(order_to(child.pid, "TERM"), executor(observe_s=0.2)))[-1]
    assert (last.outcome, last.code) == ("alive", "stopped")


async def test_an_exit_code_is_reported_where_the_process_chose_to_leave(spawn: Spawn) -> None:
    program = (
        "import signal,sys,time\nsignal.signal(15, lambda *_: sys.exit(7))\nprint(flush=True)\ntime.sleep(60)"
    )
    child = spawn(sys.executable, "-c", program)
    assert child.stdout is not None
    child.stdout.readline()
    last = (await outcomes(order_to(child.pid, "TERM")))[-1]
    assert (last.outcome, last.exit_code, last.exit_signal) == ("exited", 7, None)


async def test_a_process_that_ignores_the_signal_is_reported_alive(spawn: Spawn) -> None:
    child = spawn(sys.executable, "-c", IGNORES_TERM)
    assert child.stdout is not None
    child.stdout.readline()
    results = await outcomes(order_to(child.pid, "TERM"), executor(observe_s=0.3))
    assert [result.outcome for result in results] == ["delivered", "alive"]
    assert child.poll() is None


async def test_stop_and_continue_are_seen_in_the_state(spawn: Spawn) -> None:
    child = spawn()
    assert (await outcomes(order_to(child.pid, "STOP")))[-1].outcome == "stopped"
    stat = read_stat(child.pid)
    assert stat is not None
    assert stat.state == "T"
    assert (await outcomes(order_to(child.pid, "CONT")))[-1].outcome == "running"


async def test_a_process_that_ended_before_is_gone(spawn: Spawn) -> None:
    child = spawn("true")
    start_ns = start_ns_of(child.pid)
    child.wait()
    results = await outcomes(order_to(child.pid, "KILL", start_ns))
    assert [result.outcome for result in results] == ["gone"]


@pytest.mark.parametrize("off", [-1, 1, 100])
async def test_another_start_time_is_another_process_and_is_spared(spawn: Spawn, off: int) -> None:
    child = spawn()
    body = order_to(child.pid, "KILL", start_ns_of(child.pid) + off * CLOCK_TICK_NS)
    assert [result.outcome for result in await outcomes(body)] == ["reused"]
    # A signal would have ended it by now.
    await asyncio.sleep(0.05)
    assert child.poll() is None


async def test_a_pid_that_came_round_within_one_clock_tick_is_spared_too(spawn: Spawn) -> None:
    child = spawn()
    recorded = start_ns_of(child.pid) + 1_234
    body = order_to(child.pid, "KILL", recorded)
    results = await outcomes(body, executor(exact=lambda _: recorded + 5_000))
    assert [result.outcome for result in results] == ["reused"]
    assert child.poll() is None


async def test_a_really_reused_pid_is_never_signalled(spawn: Spawn) -> None:
    if os.geteuid() != 0:
        pytest.skip("making the kernel reuse a PID needs root")
    first = spawn()
    body = order_to(first.pid, "KILL")
    first.kill()
    first.wait()
    # The next one must not have the start time of the first.
    await asyncio.sleep(2 * CLOCK_TICK_NS / 1e9)
    for _ in range(200):
        Path("/proc/sys/kernel/ns_last_pid").write_text(str(first.pid - 1))
        second = spawn()
        if second.pid == first.pid:
            break
        second.kill()
        second.wait()
    assert second.pid == first.pid, "the kernel did not give the PID again"
    assert [result.outcome for result in await outcomes(body)] == ["reused"]
    # A signal would have ended it by now.
    await asyncio.sleep(0.05)
    assert second.poll() is None


@pytest.mark.parametrize("pid", [1, 2])
async def test_init_and_kernel_threads_are_refused(pid: int) -> None:
    last = (await outcomes(order_to(pid, "CONT")))[-1]
    assert (last.outcome, last.code) == ("refused", "protected")


async def test_a_signal_that_the_policy_does_not_allow_is_not_sent(spawn: Spawn) -> None:
    child = spawn()
    monitor_only = Executor(Policy(signals=("TERM",)), lambda _: None)
    last = (await outcomes(order_to(child.pid, "KILL"), monitor_only))[-1]
    assert (last.outcome, last.code) == ("refused", "signal_forbidden")
    assert child.poll() is None


def test_without_the_right_to_signal_the_outcome_says_so(spawn: Spawn) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to become another user")
    child = spawn()
    program = """
import asyncio, sys, msgspec
from tukur.agent.policy import subject
from tukur.agent.policy.policy import SIGNALS, Policy, Selection
from tukur.agent.orders.executor import Executor
from tukur.protocol.messages import order_body
async def run():
    body = order_body.decode(sys.stdin.buffer.read())
    return [r async for r in Executor(Policy(signals=SIGNALS), lambda _: None).execute(body)]
print(asyncio.run(run())[-1].outcome)
"""
    found = subprocess.run(
        [sys.executable, "-c", program],
        input=msgspec.msgpack.encode(order_to(child.pid, "KILL")),
        capture_output=True,
        user=65534,
        check=False,
    )
    assert found.stdout.decode().strip() == "not_permitted", found.stderr.decode()
    assert child.poll() is None


# --- the gate


def signed(body: OrderBody, key: bytes = KEY) -> messages.Order:
    packed = msgspec.msgpack.encode(body)
    return messages.Order(body=packed, signature=auth.sign(key, auth.order_text(packed)))


def gate() -> OrderGate:
    return OrderGate(HOST, boot_id(), auth.public_key(KEY))


def test_a_good_order_passes_once() -> None:
    entrance, order = gate(), signed(order_to(os.getpid(), "TERM"))
    assert entrance.check(order, time.time_ns()).signal == "TERM"
    with pytest.raises(RefusedError, match="repeated"):
        entrance.check(order, time.time_ns())


def test_an_order_signed_by_another_key_is_refused_undecoded() -> None:
    with pytest.raises(RefusedError, match="bad_signature"):
        gate().check(signed(order_to(os.getpid(), "TERM"), auth.new_key()), time.time_ns())


def test_an_altered_order_is_refused() -> None:
    order = signed(order_to(os.getpid(), "TERM"))
    altered = messages.Order(body=order.body.replace(b"TERM", b"KILL"), signature=order.signature)
    with pytest.raises(RefusedError, match="bad_signature"):
        gate().check(altered, time.time_ns())


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"host_id": "22222222-2222-3333-4444-555555555555"}, "other_host"),
        ({"target": ProcessKey("22222222-2222-3333-4444-555555555555", 5, 5)}, "other_boot"),
        ({"expires_wall_ns": 1}, "expired"),
        ({"issued_wall_ns": 2**62, "expires_wall_ns": 2**62}, "from_the_future"),
        ({"issued_wall_ns": 5}, "stale"),
    ],
)
def test_an_order_for_elsewhere_or_another_time_is_refused(change: dict[str, object], code: str) -> None:
    body = msgspec.structs.replace(order_to(os.getpid(), "TERM"), **change)
    with pytest.raises(RefusedError, match=code):
        gate().check(signed(body), time.time_ns())


def test_signed_nonsense_is_refused() -> None:
    packed = b"\xc1nonsense"
    order = messages.Order(body=packed, signature=auth.sign(KEY, auth.order_text(packed)))
    with pytest.raises(RefusedError, match="bad_order"):
        gate().check(order, time.time_ns())


def test_the_signals_are_those_of_the_kernel() -> None:
    assert all(f"SIG{name}" in signal.Signals.__members__ for name in SIGNALS)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
async def test_a_directory_that_does_not_answer_protects_whom_the_policy_may_name_and_delays_no_other_order(
    spawn: Spawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "NAMES_S", 0.3)
    child = spawn("setpriv", "--reuid=70020", "--clear-groups", "sleep", "60")
    await until(lambda: Path(f"/proc/{child.pid}").stat().st_uid == 70020, 5, "it is another user's")
    answers, answer = os.pipe()
    users = Users(look_up=lambda _: os.read(answers, 100).decode())
    named = Policy(signals=SIGNALS, protect=Selection(users=("dir-*",)))
    last = (await outcomes(order_to(child.pid, "TERM"), Executor(named, lambda _: None, users=users)))[-1]
    assert (last.outcome, last.code) == ("refused", "protected")
    assert "user 70020" in last.detail
    assert child.poll() is None
    os.write(answer, b"dir-user")
    await until(lambda: users.name(70020) == "dir-user", 5, "the directory answers")
    last = (await outcomes(order_to(child.pid, "TERM"), Executor(named, lambda _: None, users=users)))[-1]
    assert "dir-user" in last.detail
    unasked = Executor(
        Policy(signals=SIGNALS), lambda _: None, users=Users(look_up=lambda _: pytest.fail("asked"))
    )
    assert [result.outcome for result in await outcomes(order_to(child.pid, "KILL"), unasked)] == [
        "delivered",
        "exited",
    ]
    os.close(answers)
    os.close(answer)
