"""The whole path, kernel to API, on the real program."""

import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.running import Up, row_of, the_host, tukur
from tests.support.waiting import eventually

BUSY = "import time\nuntil = time.time() + 60\nwhile time.time() < until: sum(range(1000))"


@pytest.fixture
def busy() -> Iterator["subprocess.Popen[bytes]"]:
    child = subprocess.Popen([sys.executable, "-c", BUSY, "--password=hunter2"])
    yield child
    child.kill()
    child.wait()


def test_the_link_signs_in_once(up: Up, client: httpx.Client) -> None:
    assert client.get("/api/session").json()["role"] == "admin"
    again = httpx.post(
        f"{up.url}/api/session", json={"token": up.link.partition("token=")[2]}, headers={"Origin": up.url}
    )
    assert again.status_code == 401


def test_without_signing_in_nothing_is_shown(up: Up, client: httpx.Client) -> None:
    host = the_host(client)["host_id"]
    for path in ("/api/hosts", f"/api/hosts/{host}/processes", "/api/orders"):
        assert httpx.get(up.url + path).status_code == 401, path


def test_a_process_of_this_machine_is_in_the_table_with_its_cpu_and_without_its_secrets(
    client: httpx.Client, busy: "subprocess.Popen[bytes]"
) -> None:
    host = the_host(client)["host_id"]

    def seen() -> dict[str, Any] | None:
        row = row_of(client, host, busy.pid)
        return row if row and (row["cpu"] or 0) > 0.2 else None

    row = eventually(seen, 6, "the busy process with its CPU")
    assert row["name"].startswith("python")
    assert "hunter2" not in row["cmdline"]
    assert "***" in row["cmdline"]


def test_a_past_second_shows_a_process_that_has_ended_since(client: httpx.Client) -> None:
    host = the_host(client)["host_id"]
    child = subprocess.Popen([sys.executable, "-c", BUSY])

    def works() -> bool:
        row = row_of(client, host, child.pid)
        return row is not None and (row["cpu"] or 0) > 0.2

    eventually(works, 10, "it is in the table with its CPU")
    # Another second of it, all of which it works.
    time.sleep(1)
    lived_ms = int(time.time() * 1000)
    time.sleep(1)
    child.kill()
    child.wait()

    def recorded() -> dict[str, Any] | None:
        return row_of(client, host, child.pid, at=lived_ms)

    row = eventually(recorded, 15, "the ended process at the second at which it lived")
    assert row["cpu"] > 0.2
    # In the sample after its end it is told once more, as one that has ended.
    eventually(lambda: row_of(client, host, child.pid) is None, 5, "it is not in the table of now")
    top = client.get(
        f"/api/hosts/{host}/top", params={"from": lived_ms - 3000, "to": lived_ms + 2000, "by": "cpu"}
    ).json()["processes"]
    mine = next(entry for entry in top if entry["pid"] == child.pid)
    assert mine["cpu_s"] > 0.5
    eventually(
        lambda: next(
            e["ended"]
            for e in client.get(
                f"/api/hosts/{host}/top", params={"from": lived_ms - 3000, "to": lived_ms + 2000, "by": "cpu"}
            ).json()["processes"]
            if e["pid"] == child.pid
        ),
        15,
        "the process is marked as ended",
    )


def test_an_order_kills_just_that_process_and_reports_how_it_ended(
    client: httpx.Client, busy: "subprocess.Popen[bytes]"
) -> None:
    host = the_host(client)
    row = eventually(lambda: row_of(client, host["host_id"], busy.pid), 5, "the process's row")
    order = client.post(
        f"/api/hosts/{host['host_id']}/orders",
        json={
            "boot_id": host["boot_id"],
            "pid": busy.pid,
            "start_ns": row["start_ns"],
            "signal": "KILL",
            "reason": "test",
        },
    )
    assert order.status_code == 201, order.text
    busy.wait(5)
    result = client.get(f"/api/orders/{order.json()['order_id']}", params={"wait_s": 6}).json()
    assert (result["outcome"], result["exit_signal"], result["final"]) == ("exited", 9, True)


def test_an_order_to_another_life_of_the_pid_is_refused(
    client: httpx.Client, busy: "subprocess.Popen[bytes]"
) -> None:
    host = the_host(client)
    row = eventually(lambda: row_of(client, host["host_id"], busy.pid), 5, "the process's row")
    order = client.post(
        f"/api/hosts/{host['host_id']}/orders",
        json={
            "boot_id": host["boot_id"],
            "pid": busy.pid,
            "start_ns": str(int(row["start_ns"]) + 10**9),
            "signal": "KILL",
        },
    ).json()
    result = client.get(f"/api/orders/{order['order_id']}", params={"wait_s": 6}).json()
    assert result["outcome"] == "reused"
    assert busy.poll() is None


def test_the_agent_and_the_hub_cannot_be_stopped_through_tukur(up: Up, client: httpx.Client) -> None:
    host = the_host(client)
    for name in ("agent", "hub"):
        pid = up.child(name)
        row = eventually(lambda pid=pid: row_of(client, host["host_id"], pid), 5, name)  # type: ignore[misc]
        body = {"boot_id": host["boot_id"], "pid": pid, "start_ns": row["start_ns"], "signal": "KILL"}
        order = client.post(f"/api/hosts/{host['host_id']}/orders", json=body).json()
        result = client.get(f"/api/orders/{order['order_id']}", params={"wait_s": 6}).json()
        assert (result["outcome"], result["code"]) == ("refused", "protected")
        assert up.child(name) == pid


def test_a_token_made_on_the_command_line_opens_the_api_within_its_role(up: Up, client: httpx.Client) -> None:
    made = tukur("token", "create", "--name", "ci", "--role", "viewer", "--data", str(up.data))
    bearer = {"Authorization": f"Bearer {made.stdout.strip()}"}
    assert httpx.get(f"{up.url}/api/hosts", headers=bearer).status_code == 200
    host = the_host(client)
    body = {"boot_id": host["boot_id"], "pid": 2**22, "start_ns": "1", "signal": "TERM"}
    refused = httpx.post(f"{up.url}/api/hosts/{host['host_id']}/orders", json=body, headers=bearer)
    assert refused.status_code == 403
    assert "ci\tviewer" in tukur("token", "list", "--data", str(up.data)).stdout
    assert tukur("token", "revoke", "ci", "--data", str(up.data)).returncode == 0
    assert httpx.get(f"{up.url}/api/hosts", headers=bearer).status_code == 401


def test_the_api_describes_itself(client: httpx.Client) -> None:
    document = client.get("/api/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert "/api/hosts/{host_id}/processes" in document["paths"]


def test_the_charts_have_a_figure_for_every_second(client: httpx.Client) -> None:
    host = the_host(client)["host_id"]

    def series() -> dict[str, Any] | None:
        now = int(time.time() * 1000)
        found = client.get(
            f"/api/hosts/{host}/series", params={"from": now - 60_000, "to": now, "points": 60}
        )
        content: dict[str, Any] = found.raise_for_status().json()
        known = [value for value in content["figures"]["cpu"]["mean"] if value is not None]
        return content if len(known) >= 8 else None

    found = eventually(series, 25, "eight seconds of CPU")
    assert all(0 <= value <= 1 for value in found["figures"]["cpu"]["high"] if value is not None)
    assert any(value and value > 0 for value in found["figures"]["mem_used"]["mean"])


def test_doctor_says_what_this_machine_offers() -> None:
    found = tukur("doctor")
    assert found.returncode == 0
    for word in ("BTF", "libbpf", "CAP_BPF", "page", "procfs: works"):
        assert word.lower() in found.stdout.lower(), word
