"""What the files say, beside what /proc says of the same machine."""

import json
import shutil
import subprocess
from typing import Any

import pytest

from tests.kernel.vm.conftest import Run
from tests.kernel.vm.machine import PATIENCE, Outcome
from tests.kernel.vm.records import tasks

pytestmark = pytest.mark.timeout(600 * PATIENCE)

TICK = 10_000_000
#: The shells that ran between the one reading and the other.
BUSY = (b"init", b"sh", b"cat")
#: Of its main thread, which has ended, /proc tells nothing.
MAINLESS = "mainless"
#: As it is written in JSON, for each name as bytes in hex.
NAMES = {
    "227d2c7b": '"},{',
    "5c6e1b5b334131": "\\n\x1b[3A1",
    "ff61c328": "\xffa\xc3(",
    "c3b1616e64c3ba": "ñandú",
    "c29b324a": "\x9b2J",
    "eda080f4908080": "\xed\xa0\x80\xf4\x90\x80\x80",
    "7f0962": "\x7f\tb",
}

SCRIPT = f"""
set -e
insmod /tukur_ram.ko proc_name=ram_202004725
insmod /tukur_cpu.ko proc_name=cpu_202004725
ls /proc > /out/ls
set +e
for name in {" ".join(NAMES)}; do inside named $name 1 1000 & done
inside zombie 1000 &
inside mainless 1234 24 & mainless=$!
inside threads 5 1000 &
inside as 1234 2345 sleep 1000 &
inside niced 7 sleep 1000 &
mkdir /cgroup/held; stat -c %i /cgroup/held > /out/cgroup
sleep 1000 & echo $! > /cgroup/held/cgroup.procs; echo $! > /out/held
sleep 1
echo $mainless > /cgroup/held/cgroup.procs
cat /proc/cpu_202004725 > /out/cpu.json
cat /proc/ram_202004725 > /out/ram.json
cat /proc/tukur_tasks > /out/tasks
cat /proc/meminfo > /out/meminfo
cat /proc/stat > /out/machine
cat /proc/[0-9]*/stat > /out/stat 2> /dev/null
for process in /proc/[0-9]*; do cat $process/status; echo; done > /out/status_of_each 2> /dev/null
inside pieces /proc/tukur_tasks > /out/pieces
dd if=/proc/tukur_tasks bs=2M of=/tmp/big 2> /dev/null
dd if=/proc/tukur_tasks bs=200 of=/tmp/small 2> /dev/null
wc -c < /tmp/big > /out/big; wc -c < /tmp/small > /out/small
for file in cpu_202004725 ram_202004725 tukur_tasks; do
    inside early 50 /proc/$file; echo $?
done > /out/early
inside newpids sh -c 'sleep 1000 & cat /proc/cpu_202004725 > /out/ns.json
    cat /proc/ram_202004725 > /out/ns_ram.json
    cat /proc/tukur_tasks > /out/ns_tasks; cat /proc/tukur_events' 2> /out/ns_events
kill -STOP $mainless; sleep 0.2; cat /proc/tukur_tasks > /out/stopped; kill -KILL $mainless
rmmod tukur_cpu && rmmod tukur_ram && echo removed
"""


@pytest.fixture(scope="session")
def left(run: Run) -> Outcome:
    return run(SCRIPT)


def flat(processes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found, todo = [], list(processes)
    while todo:
        process = todo.pop()
        found.append(process)
        todo.extend(process["children"])
    return found


def stats(left: Outcome) -> dict[int, list[str]]:
    """By PID the fields of /proc/PID/stat from the name on."""
    found = {}
    for line in left.files["stat"].decode("latin-1").splitlines():
        pid, rest = line.split(" (", 1)
        name, fields = rest.rsplit(") ", 1)
        found[int(pid)] = [name, *fields.split(" ")]
    return found


def statuses(left: Outcome) -> dict[int, dict[str, str]]:
    found = {}
    for block in left.files["status_of_each"].decode("latin-1").split("\n\n"):
        fields = dict(line.split(":\t", 1) for line in block.splitlines() if ":\t" in line)
        if "Pid" in fields:
            found[int(fields["Pid"])] = fields
    return found


def cpu(left: Outcome) -> dict[str, Any]:
    return json.loads(left.files["cpu.json"])  # type: ignore[no-any-return]


def ram(left: Outcome) -> dict[str, Any]:
    return json.loads(left.files["ram.json"])  # type: ignore[no-any-return]


def test_the_kernel_has_nothing_to_complain_about(left: Outcome) -> None:
    assert left.complaints() == []
    assert "removed" in left.text("log")


def test_the_names_under_proc_are_a_parameter(left: Outcome) -> None:
    assert {"ram_202004725", "cpu_202004725", "tukur_tasks", "tukur_events"} <= set(left.text("ls").split())
    assert not {"tukur_ram", "tukur_cpu"} & set(left.text("ls").split())


@pytest.mark.parametrize("name", ["cpu.json", "ram.json"])
def test_jq_reads_it(left: Outcome, name: str) -> None:
    if not shutil.which("jq"):
        pytest.skip("jq is not installed")
    subprocess.run(["jq", "."], input=left.files[name], check=True, capture_output=True)


def test_every_process_is_there_once_under_its_parent(left: Outcome) -> None:
    report = cpu(left)
    nested = flat(report["processes"])
    pids = [process["pid"] for process in nested]
    assert len(pids) == len(set(pids)) == report["process_count"]
    for process in nested:
        for child in process["children"]:
            assert child["parent"] == process["pid"]
    assert {process["pid"] for process in report["processes"]} == {1, 2}
    assert set(stats(left)) - {max(stats(left))} <= set(pids)


def test_the_json_agrees_with_proc(left: Outcome) -> None:
    truth = stats(left)
    compared = 0
    for process in flat(cpu(left)["processes"]):
        if process["pid"] not in truth or process["kernel_thread"] or process["name"] == MAINLESS:
            continue
        name, state, ppid, *fields = truth[process["pid"]]
        seen = process["name"]
        assert seen == name or seen in NAMES.values() or not seen.isascii(), process
        assert (process["state"], process["parent"]) == (state, int(ppid)) or process["pid"] == 1
        assert process["threads"] == int(fields[15])
        assert process["start_ns"] // TICK == int(fields[17])
        assert process["cpu_ns"] == process["user_ns"] + process["system_ns"]
        compared += 1
    assert compared > 12


def test_the_records_agree_with_proc(left: Outcome) -> None:
    truth = statuses(left)
    compared = 0
    for task in tasks(left.files["tasks"]):
        fields = truth.get(task["pid"])
        if fields is None or task["comm"] in (*BUSY, MAINLESS.encode()):
            continue
        compared += 1
        assert task["ppid"] == int(fields["PPid"])
        assert (task["uid"], task["gid"]) == (int(fields["Uid"].split()[1]), int(fields["Gid"].split()[1]))
        assert task["ns_pid"] == int(fields["NStgid"].split()[-1])
        assert task["threads"] == int(fields["Threads"])
        memory = {
            "rss_anon": "RssAnon",
            "rss_file": "RssFile",
            "rss_shmem": "RssShmem",
            "swap": "VmSwap",
            "vsz": "VmSize",
        }
        for ours, theirs in memory.items():
            assert task[ours] == int(fields.get(theirs, "0").split()[0]) * 1024, (task, ours)
        if task["state"] == "S" and not task["flags"]:
            assert task["nvcsw"] == pytest.approx(
                int(fields["voluntary_ctxt_switches"]), abs=5 * task["threads"]
            )
    assert compared > 30


def test_cpu_time_agrees_with_proc(left: Outcome) -> None:
    truth = stats(left)
    for task in tasks(left.files["tasks"]):
        if task["pid"] not in truth or task["comm"] in BUSY or task["flags"]:
            continue
        utime, stime = (int(field) * TICK for field in truth[task["pid"]][12:14])
        assert task["cpu_ns"] == pytest.approx(utime + stime, abs=3 * TICK)
        assert task["utime_ns"] + task["stime_ns"] == task["cpu_ns"]
        assert task["minflt"] == int(truth[task["pid"]][8])
        assert task["nice"] == int(truth[task["pid"]][17])


def test_threads_are_summed_into_their_process(left: Outcome) -> None:
    task = next(task for task in tasks(left.files["tasks"]) if task["threads"] == 5)
    assert task["cpu_ns"] > 25_000_000
    assert task["utime_ns"] > task["cpu_ns"] / 4


def test_a_zombie_is_shown_as_one(left: Outcome) -> None:
    zombies = [process for process in flat(cpu(left)["processes"]) if process["state"] == "Z"]
    assert [process["name"] for process in zombies] == ["inside"]
    assert zombies[0]["threads"] == 1


def test_a_process_whose_main_thread_ended_is_what_its_first_live_thread_is(left: Outcome) -> None:
    (task,) = (task for task in tasks(left.files["tasks"]) if task["comm"] == MAINLESS.encode())
    assert (task["state"], task["threads"], task["uid"]) == ("S", 2, 1234)
    # Before 6.2 each thread holds back some pages of the count.
    assert task["rss_anon"] > 23 << 20
    assert task["vsz"] > task["rss_anon"]
    assert task["cgroup_id"] == int(left.text("cgroup"))
    (in_ram,) = (each for each in ram(left)["processes"] if each["name"] == MAINLESS)
    assert (in_ram["rss_bytes"] > 23 << 20, in_ram["uid"]) == (True, 1234)
    (in_cpu,) = (each for each in flat(cpu(left)["processes"]) if each["name"] == MAINLESS)
    assert (in_cpu["state"], in_cpu["threads"]) == ("S", 2)
    (stopped,) = (task for task in tasks(left.files["stopped"]) if task["comm"] == MAINLESS.encode())
    assert stopped["state"] == "T"


def test_kernel_threads_have_no_memory(left: Outcome) -> None:
    kernel = [task for task in tasks(left.files["tasks"]) if task["flags"] & 1]
    assert len(kernel) > 20
    assert all(task["ppid"] in (0, 2) for task in kernel)
    assert all(task["rss_anon"] + task["rss_file"] + task["rss_shmem"] + task["vsz"] == 0 for task in kernel)


def test_users_niceness_and_cgroups_are_told(left: Outcome) -> None:
    found = tasks(left.files["tasks"])
    assert any((task["uid"], task["gid"], task["comm"]) == (1234, 2345, b"sleep") for task in found)
    assert any(task["nice"] == 7 for task in found)
    held = next(task for task in found if task["pid"] == int(left.text("held")))
    assert held["cgroup_id"] == int(left.text("cgroup"))


def test_any_bytes_of_a_name_are_one_json_string(left: Outcome) -> None:
    names = {process["name"] for process in flat(cpu(left)["processes"])}
    assert set(NAMES.values()) <= names
    assert set(NAMES.values()) <= {process["name"] for process in ram(left)["processes"]}
    raw = left.files["cpu.json"]
    assert not any((byte < 0x20 and byte != 0x0A) or byte == 0x7F for byte in raw)
    assert "ñandú".encode() in raw
    assert b"\x9b" not in raw.replace("ñandú".encode(), b"")


def test_ram_agrees_with_meminfo(left: Outcome) -> None:
    report = ram(left)
    truth = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in left.text("meminfo").splitlines()}
    memory = report["memory"]
    assert memory["total_bytes"] == truth["MemTotal"]
    near = {
        "free_bytes": "MemFree",
        "available_bytes": "MemAvailable",
        "buffers_bytes": "Buffers",
        "cached_bytes": "Cached",
        "shared_bytes": "Shmem",
        "slab_bytes": "Slab",
        "slab_reclaimable_bytes": "SReclaimable",
    }
    for ours, theirs in near.items():
        assert memory[ours] == pytest.approx(truth[theirs], abs=4 << 20), ours
    assert memory["used_bytes"] == memory["total_bytes"] - memory["available_bytes"]
    assert report["swap"] == {"total_bytes": truth["SwapTotal"], "free_bytes": truth["SwapFree"]}
    assert report["huge_pages"]["page_bytes"] == truth["Hugepagesize"]


def test_the_share_of_a_process_is_of_all_memory(left: Outcome) -> None:
    report = ram(left)
    for process in report["processes"]:
        split = process["anon_bytes"] + process["file_bytes"] + process["shmem_bytes"]
        assert process["rss_bytes"] == split
        assert process["share"] == pytest.approx(split / report["memory"]["total_bytes"], abs=1e-6)


def test_each_cpu_agrees_with_proc_stat(left: Outcome) -> None:
    report = cpu(left)
    lines = [line.split() for line in left.text("machine").splitlines() if line.startswith("cpu")]
    names = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guest_nice"]
    assert [row["cpu"] for row in report["cpus"]] == list(range(len(lines) - 1))
    for row, line in zip([report["cpu"], *report["cpus"]], lines, strict=True):
        for name, ticks in zip(names, line[1:], strict=True):
            assert row[f"{name}_ns"] == pytest.approx(int(ticks) * TICK, abs=3e9)


def test_reading_in_pieces_loses_and_doubles_nothing(left: Outcome) -> None:
    said = left.text("pieces").splitlines()
    assert len(said) == 1
    assert said[0].startswith("magic 524b4b54 version 1 size 184 records ")
    assert int(said[0].split()[-1]) == pytest.approx(len(tasks(left.files["tasks"])), abs=2)
    assert int(left.text("small")) == pytest.approx(int(left.text("big")), abs=2 * 184)


def test_a_reader_that_closes_early_is_no_trouble(left: Outcome) -> None:
    assert left.text("early") == "0\n0\n0\n"


def test_a_pid_namespace_sees_itself_alone(left: Outcome) -> None:
    inside = tasks(left.files["ns_tasks"])
    assert [task["pid"] for task in inside][:2] == [1, 2]
    assert len(inside) == 3
    assert all(task["ns_pid"] == task["pid"] for task in inside)
    assert inside[0]["ppid"] == 0
    assert inside[1]["ppid"] == 1
    report = json.loads(left.files["ns.json"])
    assert [process["pid"] for process in report["processes"]] == [1]
    assert len(json.loads(left.files["ns_ram.json"])["processes"]) == 3
    assert "not permitted" in left.text("ns_events")
