"""What would bring a machine down if it were wrong: removal under load, many readers, deep nesting."""

import json
import os
import re
from typing import Any

import pytest

from tests.kernel.vm.conftest import Run
from tests.kernel.vm.machine import PATIENCE, Kernel

pytestmark = pytest.mark.timeout(600 * PATIENCE)

#: One takes a second under emulation. For the whole proof: TUKUR_TEST_CYCLES=1000 TUKUR_TEST_CHAIN=10000.
CYCLES = int(os.environ.get("TUKUR_TEST_CYCLES", "40"))
CHAIN = int(os.environ.get("TUKUR_TEST_CHAIN", "1000"))
READERS = 1000

CYCLES_SCRIPT = f"""
insmod /tukur_cpu.ko; rmmod tukur_cpu
(while true; do inside burst 20; inside quick; done) &
(while true; do cat /proc/tukur_cpu /proc/tukur_ram /proc/tukur_tasks > /dev/null 2>&1; done) &
cycle=0
while [ $cycle -lt {CYCLES} ]; do
    insmod /tukur_ram.ko && insmod /tukur_cpu.ko || echo "load $cycle failed"
    cat /proc/tukur_ram /proc/tukur_cpu /proc/tukur_tasks > /tmp/read || echo "read $cycle failed"
    inside drain /proc/tukur_events 0.05 > /tmp/events 2> /dev/null || echo "events $cycle failed"
    rmmod tukur_cpu && rmmod tukur_ram || echo "removal $cycle failed"
    cycle=$((cycle + 1))
done
echo "cycles $cycle"
grep -c tukur /proc/modules
grep MemAvailable /proc/meminfo
"""

REMOVAL_SCRIPT = """
insmod /tukur_ram.ko; insmod /tukur_cpu.ko
for file in ram cpu tasks events; do inside hold /proc/tukur_$file 4 > /out/$file & done
for turn in 1 2 3 4 5 6 7 8; do
    (while cat /proc/tukur_cpu /proc/tukur_tasks /proc/tukur_ram > /dev/null; do true; done) 2> /dev/null &
done
sleep 2
inside burst 50
rmmod tukur_cpu && rmmod tukur_ram && echo removed
inside burst 50
sleep 4
insmod /tukur_cpu.ko && cat /proc/tukur_cpu > /out/again && rmmod tukur_cpu && echo again
"""

READERS_SCRIPT = f"""
insmod /tukur_ram.ko; insmod /tukur_cpu.ko
for file in ram cpu tasks; do inside readers {READERS} /proc/tukur_$file > /out/$file; done
rmmod tukur_cpu; rmmod tukur_ram
insmod /tukur_cpu.ko snapshots_mib=0 && cat /proc/tukur_cpu 2> /out/none; rmmod tukur_cpu
insmod /tukur_cpu.ko snapshots_mib=1 && inside readers 100 /proc/tukur_cpu > /out/few
cat /proc/tukur_cpu > /out/after; rmmod tukur_cpu && echo removed
"""

CHAIN_SCRIPT = f"""
insmod /tukur_ram.ko; insmod /tukur_cpu.ko
mkfifo /tmp/said
inside chain {CHAIN} 1000 > /tmp/said &
read word < /tmp/said; echo $word
cat /proc/tukur_cpu > /out/cpu.json
cat /proc/tukur_tasks | wc -c > /out/tasks
time cat /proc/tukur_tasks > /dev/null
time cat /proc/[0-9]*/stat > /dev/null
rmmod tukur_cpu; rmmod tukur_ram; echo removed
"""


@pytest.mark.timeout(3600)
def test_loading_reading_and_removing_over_and_over_leaves_the_kernel_clean(run: Run) -> None:
    outcome = run(CYCLES_SCRIPT, timeout=60 + CYCLES * 3)
    said = outcome.text("log").splitlines()
    assert [line for line in said if "failed" in line] == []
    assert f"cycles {CYCLES}" in said
    assert said[said.index(f"cycles {CYCLES}") + 1] == "0"
    assert outcome.complaints() == []


def test_a_module_can_be_removed_while_it_is_read(run: Run) -> None:
    outcome = run(REMOVAL_SCRIPT)
    assert "removed" in outcome.text("log")
    assert "again" in outcome.text("log")
    for file in ("ram", "cpu", "tasks", "events"):
        assert re.search(r"holding\nthen: (Input/output error|read)", outcome.text(file)), file
    assert json.loads(outcome.files["again"])["process_count"] > 10
    assert outcome.complaints() == []


def test_a_thousand_readers_get_all_or_a_clear_refusal(run: Run) -> None:
    outcome = run(READERS_SCRIPT, timeout=350, memory="2G")
    for file in ("ram", "cpu", "tasks"):
        whole, refused, other = map(int, re.findall(r"\d+", outcome.text(file)))
        assert (whole + refused, other) == (READERS, 0)
        assert whole > 50
    assert outcome.text("tasks").startswith(f"whole {READERS} refused 0")
    assert "memory" in outcome.text("none")
    whole, refused, other = map(int, re.findall(r"\d+", outcome.text("few")))
    assert whole
    assert refused
    assert not other
    assert json.loads(outcome.files["after"])["process_count"] > 10
    assert "removed" in outcome.text("log")
    assert outcome.complaints() == []


@pytest.mark.timeout(3600)
def test_a_deep_chain_of_parents_is_printed_without_recursion(run: Run) -> None:
    outcome = run(CHAIN_SCRIPT, timeout=100 + CHAIN / 5, memory="4G")
    assert "chained" in outcome.text("log")
    assert "removed" in outcome.text("log")
    assert outcome.complaints() == []
    report = json.loads(outcome.files["cpu.json"])
    depth, found = 0, {}
    todo = [(process, 1) for process in report["processes"]]
    while todo:
        process, level = todo.pop()
        depth = max(depth, level)
        found[process["pid"]] = process
        todo += [(child, level + 1) for child in process["children"]]
    assert depth == 100
    assert len(found) == report["process_count"]
    chain = [process for process in found.values() if process["name"] == "inside"]
    assert len(chain) == CHAIN + 1
    assert _length(found, chain) == CHAIN + 1


def _length(found: dict[int, dict[str, Any]], chain: list[dict[str, Any]]) -> int:
    """From the last of the chain up by the parents' numbers."""
    parents = {process["parent"] for process in chain}
    process = next(process for process in chain if process["pid"] not in parents)
    length = 1
    while (process := found[process["parent"]])["name"] == "inside":
        length += 1
    return length


def test_an_unsigned_module_is_refused_where_signatures_are_enforced(run: Run, kernel: Kernel) -> None:
    outcome = run("insmod /tukur_cpu.ko; echo $?; ls /proc", options="module.sig_enforce=1")
    said = outcome.text("log")
    assert "Key was rejected" in said or "Required key not available" in said or "can't insert" in said
    assert "tukur" not in said.split("/tukur_cpu.ko", 1)[1].splitlines()[-1]
    assert "tukur_tasks" not in said
