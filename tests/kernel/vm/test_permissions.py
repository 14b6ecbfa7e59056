"""Who may read, and what they see; which parameters are refused, and with which words."""

import json
from typing import Any

import pytest

from tests.kernel.vm.conftest import Run
from tests.kernel.vm.machine import PATIENCE, Outcome
from tests.kernel.vm.records import tasks
from tests.kernel.vm.test_files import flat

pytestmark = pytest.mark.timeout(600 * PATIENCE)

SCRIPT = """
load() { insmod /tukur_ram.ko "$@" && insmod /tukur_cpu.ko "$@"; }
unload() { rmmod tukur_cpu; rmmod tukur_ram; }
try() { # name, uid, gid: each file as that user
    for file in ram cpu tasks events; do
        inside as $2 $3 cat /proc/tukur_$file > /out/$1.$file 2> /out/$1.$file.error
        echo "$1 $file $?" >> /out/codes
    done
}
inside as 1000 1000 sleep 1000 &
inside as 1001 1001 sleep 1000 &
load; ls -l /proc/tukur_cpu > /out/modes; try alone 1000 77; try root 0 0; unload
load gid=77; ls -l /proc/tukur_cpu >> /out/modes; try member 1000 77; try stranger 1000 1000
inside as 1000 1000 cat < /proc/tukur_cpu > /out/handed.cpu
inside as 1000 1000 cat < /proc/tukur_tasks > /out/handed.tasks
unload
load access=1 gid=77; ls -l /proc/tukur_cpu >> /out/modes; try own 1000 1000; try own_member 1000 77; unload
load access=0; try all 1000 1000; unload

load; (inside drain /proc/tukur_events 3 > /dev/null 2> /tmp/first; echo first $? >> /out/second) & sleep 1
cat /proc/tukur_events 2>> /out/second; echo second $? >> /out/second; sleep 4
cat /proc/tukur_events > /dev/null 2>> /out/second; echo third $? >> /out/second; unload

refuse() {
    dmesg -c > /dev/null
    insmod $1.ko "$2" 2> /dev/null; echo "$?" "$(dmesg | tail -1)" >> /out/refused
    rmmod $1 2> /dev/null
}
refuse tukur_cpu proc_name=
refuse tukur_cpu proc_name=a/b
refuse tukur_ram proc_name=..
refuse tukur_ram proc_name=123
refuse tukur_ram proc_name=cpuinfo
refuse tukur_ram proc_name=$(printf 'x%.0s' $(seq 64))
refuse tukur_ram 'proc_name="a"b'
refuse tukur_cpu proc_name=tukur_tasks
refuse tukur_cpu access=3
refuse tukur_ram gid=-2
refuse tukur_cpu events_kib=7
refuse tukur_cpu events_kib=1000
ls /proc | grep -c tukur > /out/left_over
insmod /tukur_ram.ko proc_name=$(printf 'x%.0s' $(seq 63)) && rmmod tukur_ram && echo longest >> /out/refused
"""


@pytest.fixture(scope="session")
def left(run: Run) -> Outcome:
    return run(SCRIPT)


def codes(left: Outcome, who: str) -> dict[str, int]:
    lines = [line.split() for line in left.text("codes").splitlines()]
    return {file: int(code) for name, file, code in lines if name == who}


def users(report: dict[str, Any]) -> set[int]:
    return {process["uid"] for process in flat(report["processes"])}


def test_without_a_group_root_alone_may_read(left: Outcome) -> None:
    assert codes(left, "alone") == {"ram": 1, "cpu": 1, "tasks": 1, "events": 1}
    assert codes(left, "root") == {"ram": 0, "cpu": 0, "tasks": 0, "events": 0}
    assert "Permission denied" in left.text("alone.cpu.error")


def test_members_of_the_group_see_all(left: Outcome) -> None:
    assert codes(left, "member") == {"ram": 0, "cpu": 0, "tasks": 0, "events": 0}
    assert {0, 1000, 1001} <= users(json.loads(left.files["member.cpu"]))
    assert codes(left, "stranger") == {"ram": 1, "cpu": 1, "tasks": 1, "events": 1}


def test_the_modes_of_the_files_tell_so(left: Outcome) -> None:
    modes = [line.split() for line in left.text("modes").splitlines()]
    assert [(line[0], line[3]) for line in modes] == [
        ("-r--------", "0"),
        ("-r--r-----", "77"),
        ("-r--r--r--", "77"),
    ]


def test_a_descriptor_shows_what_its_opener_could_see(left: Outcome) -> None:
    assert {0, 1000, 1001} <= users(json.loads(left.files["handed.cpu"]))
    assert {0, 1000, 1001} <= {task["uid"] for task in tasks(left.files["handed.tasks"])}


def test_everyone_can_be_let_see_their_own(left: Outcome) -> None:
    assert codes(left, "own") == {"ram": 0, "cpu": 0, "tasks": 0, "events": 1}
    report = json.loads(left.files["own.cpu"])
    assert users(report) == {1000}
    assert len(report["processes"]) == report["process_count"]
    assert {task["uid"] for task in tasks(left.files["own.tasks"])} == {1000}
    ram = json.loads(left.files["own.ram"])
    assert {process["uid"] for process in ram["processes"]} == {1000}
    assert {0, 1000, 1001} <= users(json.loads(left.files["own_member.cpu"]))
    assert codes(left, "own_member")["events"] == 0


def test_everyone_can_be_let_see_all_but_the_events(left: Outcome) -> None:
    assert codes(left, "all") == {"ram": 0, "cpu": 0, "tasks": 0, "events": 1}
    assert {0, 1000, 1001} <= users(json.loads(left.files["all.cpu"]))


def test_the_events_have_one_reader_at_a_time(left: Outcome) -> None:
    said = left.text("second")
    assert "second 1" in said
    assert "busy" in said.lower()
    assert "first 0" in said
    assert "third 0" in said


def test_wrong_parameters_are_refused_with_the_reason(left: Outcome) -> None:
    lines = left.text("refused").splitlines()
    expected = [
        "proc_name= has 0 characters: expected 1 to 63",
        "character 2 is not allowed",
        "character 1 is not allowed",
        "begins with a digit",
        "/proc/cpuinfo exists already",
        "proc_name= has 64 characters",
        "is not allowed: expected letters",
        "/proc/tukur_tasks exists already",
        "access=3: expected 0",
        "gid=-2: expected",
        "events_kib=7: expected a power of two from 8 to 1048576",
        "events_kib=1000: expected a power of two",
    ]
    for line, words in zip(lines, expected, strict=False):
        assert line.split()[0] != "0"
        assert words in line
    assert lines[-1] == "longest"
    assert left.text("left_over") == "0\n"
    assert left.complaints() == []
