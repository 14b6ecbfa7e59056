"""Orders carried out by an agent in a time namespace: the right process, or none and a reason."""

import json
import os
import subprocess
from collections.abc import Iterator

import pytest

from tests.support.time_namespace import run_in_time_namespace
from tukur.sources.bpf.libbpf import KERNEL_BTF
from tukur.sources.bpf.source import BpfSource

DAY_NS = 86_400 * 10**9
ORDERS = """
import asyncio, ctypes, json, sys
from tests.unit.agent.orders.test_executor import executor, order_to, outcomes
from tukur.sources.proc import CLOCK_TICK_NS, read_stat
pid, exact_ns, unknown = (int(word) for word in sys.argv[1:])
if unknown:
    # Its children's namespace is another one than its own, so that no file has the offsets of its own.
    assert ctypes.CDLL(None).unshare(0x80) == 0
shown = read_stat(pid).start_ticks * CLOCK_TICK_NS
asked = {"tick": read_stat(pid).start_ns, "exact": exact_ns, "shifted": shown, "other": exact_ns // 2}
by = {"source": executor(exact=lambda _: exact_ns), "plain": executor()}
found = {}
for who, each in by.items():
    for name, start_ns in asked.items():
        last = asyncio.run(outcomes(order_to(pid, "CONT", start_ns), each))[-1]
        found[f"{name} {who}"] = [last.outcome, last.code, last.detail]
print(json.dumps(found))
"""
"""To a process by its start as a tick and exactly, by the shifted clock, and another's; by an agent whose
source knows nanoseconds, and by one that has only /proc."""

RUNNING = ["running", "", ""]


@pytest.fixture(scope="module")
def target() -> Iterator[tuple[int, int]]:
    """A process: its PID and its start by the machine's clock, as the kernel itself has it."""
    if os.geteuid() != 0 or not KERNEL_BTF.exists():
        pytest.skip("needs root and a kernel with BTF")
    source = BpfSource()
    with subprocess.Popen(["sleep", "60"]) as process:
        tasks = source.read()
        (start_ns,) = tasks["start_ns"][tasks["pid"] == process.pid].tolist()
        yield process.pid, start_ns
        process.kill()
    source.close()


def carried_out(
    target: tuple[int, int], *, boottime_ns: int = DAY_NS + 4_321_000, unknown: bool = False
) -> dict[str, list[str]]:
    arguments = [str(word) for word in (*target, int(unknown))]
    output = run_in_time_namespace(ORDERS, *arguments, boottime_ns=boottime_ns)
    return json.loads(output)  # type: ignore[no-any-return]


@pytest.mark.parametrize("boottime_ns", [DAY_NS, DAY_NS + 4_321_000, -1_000_000_000])
def test_an_order_reaches_its_process_and_no_other(target: tuple[int, int], boottime_ns: int) -> None:
    found = carried_out(target, boottime_ns=boottime_ns)
    for name in ("tick source", "exact source", "tick plain", "exact plain"):
        assert found[name] == RUNNING, name
    for who in ("source", "plain"):
        assert found[f"other {who}"][:2] == ["reused", "reused"]
        outcome, code, detail = found[f"shifted {who}"]
        assert (outcome, code) == ("failed", "other_clock")
        assert "nothing was sent: it was recorded by the clock of the agent's time namespace" in detail


def test_where_the_clocks_cannot_be_compared_the_source_decides_or_nothing_is_sent(
    target: tuple[int, int],
) -> None:
    found = carried_out(target, unknown=True)
    assert found["exact source"] == RUNNING
    for name in ("other source", "shifted source", "tick plain", "exact plain", "other plain"):
        outcome, code, detail = found[name]
        assert (outcome, code) == ("failed", "other_clock")
        assert "nothing was sent" in detail
        assert "cannot be compared with the machine's" in detail
