"""From the start of a load to the first sample of the new VM, in the rehearsal of Google Cloud.

The autoscaler of the rehearsal decides within a second or two; Google's own takes one to three minutes, and a
real VM takes longer to boot. What is tukur's own is what `boot_to_online_s` says.
"""

import json
import subprocess
import sys

from bench._report import Row
from bench._size import Size


def run(size: Size) -> list[Row]:
    """One row for the whole walk, with four VMs, or two."""
    command = [sys.executable, "-m", "tests.rehearsal", "--most", size.of("2", "2", "4")]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        return [{"subject": "rehearsal", "skipped": "the rehearsal failed: its last lines say why"}]
    return [row_of(done.stdout)]


def row_of(printed: str) -> Row:
    """The figures in what the rehearsal printed."""
    return {"subject": "rehearsal", **json.loads(printed.splitlines()[-1])}
