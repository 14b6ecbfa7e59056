"""A cgroup that is killed as a whole: cgroup v2 with its memory controller, which not every machine has."""

import json
import sys
from collections.abc import Callable

import pytest

from tests.kernel.vm import machine, whole
from tests.kernel.vm.machine import Outcome

pytestmark = pytest.mark.timeout(900)

SCRIPT = f"""
{whole.ENVIRONMENT}
cd {machine.ROOT}
echo +memory > /cgroup/cgroup.subtree_control
mkdir /cgroup/small
echo $((16 << 20)) > /cgroup/small/memory.max
echo 1 > /cgroup/small/memory.oom.group
{sys.executable} - <<'PYTHON'
import json, subprocess, sys
from pathlib import Path

from tukur.sources.oom import OomReader

EAT = '''
from pathlib import Path
Path("/cgroup/small/cgroup.procs").write_text("0")
Path("/proc/self/comm").write_text("hungry")
held = []
while True:
    held.append(bytearray(b"x" * (1 << 20)))
'''
reader = OomReader()
bystander = subprocess.Popen(["sleep", "1000"])
Path("/cgroup/small/cgroup.procs").write_text(str(bystander.pid))
hungry = subprocess.Popen([sys.executable, "-c", EAT])
codes = [hungry.wait(), bystander.wait()]
found = [(kill.pid, kill.trigger, kill.memcg) for kill in reader.read()]
Path("/out/told.json").write_text(
    json.dumps(dict(hungry=hungry.pid, bystander=bystander.pid, codes=codes, found=found))
)
PYTHON
"""


def test_a_real_group_is_told_member_by_member(boot: Callable[..., Outcome]) -> None:
    outcome = boot(SCRIPT)
    told = json.loads(outcome.text("told.json"))
    assert told["codes"] == [-9, -9]
    assert told["found"] == [
        [told["hungry"], "hungry", "/small"],
        [told["bystander"], "hungry", "/small"],
    ]
