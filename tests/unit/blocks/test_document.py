"""The description of blocks is true: the script in it reads a real one."""

import re
import subprocess
import sys
from pathlib import Path

from tests.support.record import Machine
from tukur.blocks import decode_samples
from tukur.records import comm_text, rss_of

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "reference" / "blocks.md"


def test_the_script_of_the_description_reads_a_block(tmp_path: Path) -> None:
    machine = Machine()
    for pid in range(10, 60):
        machine.start(pid, f"näme-{pid}", rss_anon=pid << 20, rss_file=4096)
    machine.sample()
    for pid in range(10, 20):
        machine.work(pid, cpu_s=0.25 * pid, read_bytes=pid)
    machine.block(3)
    machine.end(30)
    machine.start(7, "early")
    machine.work(11, cpu_s=0.5)
    block = machine.block(9)
    (script,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    (tmp_path / "read.py").write_text(script)
    (tmp_path / "block").write_bytes(block.tasks)
    done = subprocess.run(
        [sys.executable, tmp_path / "read.py", tmp_path / "block"], capture_output=True, text=True, check=True
    )
    *_, (_, _, last) = decode_samples(block.tasks)
    rows = zip(
        *(last[name].tolist() for name in ("pid", "start_ns", "cpu_ns")),
        rss_of(last).tolist(),
        map(comm_text, last["comm"].tolist()),
        strict=True,
    )
    assert done.stdout.splitlines() == [" ".join(map(str, row)) for row in rows]
    assert len(script.splitlines()) <= 40
