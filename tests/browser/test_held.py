"""A second machine with the host's key, as the page shows it."""

import re
import shutil
import subprocess
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.support.running import TUKUR, Up, on_another_boot
from tukur.protocol import auth

BOOT = "99999999-0000-0000-0000-000000000001"


def test_a_machine_that_came_with_the_hosts_key_is_named_where_troubles_are(
    live: Page, up: Up, tmp_path: Path
) -> None:
    for name in ("agent.key", "host_id"):
        shutil.copy(up.data / name, tmp_path)
    order_key = auth.public_key((up.data / "order.key").read_bytes()).hex()
    agent = [*TUKUR, "agent", "run", "--data", str(tmp_path), "--hub", up.url, "--order-key", order_key]
    clone = subprocess.Popen(on_another_boot(agent, tmp_path, BOOT), stderr=subprocess.DEVNULL)
    try:
        live.get_by_role("button", name=re.compile("host and source details")).click()
        told = live.get_by_role("group", name=re.compile("host and source details"))
        expect(told).to_contain_text("Other machines with this host's key", timeout=20_000)
        expect(told).to_contain_text(f"at 127.0.0.1, boot {BOOT}")
        expect(told).to_contain_text("tukur host release")
    finally:
        clone.terminate()
        clone.wait(15)
