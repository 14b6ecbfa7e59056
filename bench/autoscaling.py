"""From the start of a load to the first sample of the new VM, in the rehearsal of Google Cloud.

The autoscaler of the rehearsal decides within a second or two; Google's own takes one to three minutes, and a
real VM takes longer to boot. What is tukur's own is what `boot_to_online_s` says.
"""

import json
import subprocess
import sys


def run(quick: bool) -> list[dict[str, object]]:
    """One row for the whole walk. `quick`: two VMs in place of four."""
    command = [sys.executable, "-m", "tests.rehearsal", "--most", "2" if quick else "4"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        return [{"subject": "rehearsal", "skipped": "the rehearsal failed: its last lines say why"}]
    return [{"subject": "rehearsal", **json.loads(done.stdout.splitlines()[-1])}]
