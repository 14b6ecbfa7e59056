"""What has hit tools of this kind before: other sites, foreign names, code in data, names of processes."""

import ast
import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Dialog, sync_playwright

from tests.browser.conftest import CHROMIUM, FLAGS, new_link
from tests.support.running import Up, running, the_host
from tests.support.waiting import eventually

SOURCES = Path(__file__).resolve().parents[2] / "src" / "tukur"
RUNS_CODE = {"eval", "exec", "compile", "__import__"}
NEVER = {"pickle", "marshal", "shelve", "dill", "yaml", "xmlrpc", "telnetlib"}
EVIL = "<img src=x onerror=alert(1)>"
"""As the name of a process: 15 bytes count, the rest is in its command line."""


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with running(tmp_path_factory.mktemp("attacks") / "data") as started:
        yield started


@pytest.fixture(scope="module")
def client(up: Up) -> Iterator[httpx.Client]:
    with contextlib.closing(up.sign_in()) as signed_in:
        the_host(signed_in)
        yield signed_in


def test_no_answer_lets_another_site_read_it(up: Up, client: httpx.Client) -> None:
    host_id = the_host(client)["host_id"]
    for path in (
        "/",
        "/api/hosts",
        f"/api/hosts/{host_id}/processes",
        "/api/openapi.json",
        "/healthz",
        "/nothing",
    ):
        for origin in ("https://evil.example", "null", up.url):
            answer = client.get(path, headers={"Origin": origin})
            crossing = [name for name in answer.headers if name.startswith("access-control-")]
            assert not crossing, (path, origin)
            assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
        assert not [name for name in client.options(path, headers=asked).headers if "access-control" in name]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_form_of_another_site_sends_no_order(up: Up, client: httpx.Client, kind: str) -> None:
    host_id = the_host(client)["host_id"]
    body = b'{"boot_id":"x","pid":1,"start_ns":"1","signal":"KILL"}'
    for origin in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {}):
        headers = {"Content-Type": kind, **origin}
        request = client.build_request("POST", f"/api/hosts/{host_id}/orders", content=body, headers=headers)
        if not origin:
            request.headers.pop("Origin", None)
        answer = client.send(request)
        assert answer.status_code == 403, (origin, answer.text)
    assert client.get("/api/orders").json()["orders"] == []


@pytest.mark.parametrize(
    "name", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "[::2]", ""]
)
def test_a_name_that_was_bound_to_this_machine_anew_gets_nothing(
    up: Up, client: httpx.Client, name: str
) -> None:
    answer = client.get("/api/hosts", headers={"Host": f"{name}:{up.port}" if name else "evil"})
    assert answer.status_code == 421
    assert "hosts" not in answer.json()


def test_no_part_of_the_program_runs_data_as_code_or_asks_a_shell() -> None:
    found = []
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = (
                    [alias.name for alias in node.names]
                    if isinstance(node, ast.Import)
                    else [node.module or ""]
                )
                found += [(path.name, name) for name in names if name.split(".")[0] in NEVER]
            if isinstance(node, ast.Call):
                called = node.func.id if isinstance(node.func, ast.Name) else ""
                found += [(path.name, called)] if called in RUNS_CODE else []
                found += [(path.name, "shell") for each in node.keywords if each.arg == "shell"]
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
                found += [(path.name, node.attr)] if node.attr in ("system", "popen") else []
    assert found == []


@pytest.fixture
def evil(tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A process whose name and arguments are code for a page, a shell, a terminal and a log."""
    program = tmp_path / EVIL.replace("/", "")
    program.symlink_to(sys.executable)
    arguments = [
        EVIL,
        "$(touch /tmp/tukur-owned)",
        "`reboot`",
        "\x1b[2J\x1b]0;owned\x07",
        "line\nforged: entry",
        "'; DROP TABLE host; --",
    ]
    child = subprocess.Popen([program, "-c", "import time; time.sleep(120)", *arguments])
    yield child
    child.kill()
    child.wait()


def test_the_names_of_processes_are_text_wherever_they_are_shown(
    up: Up, client: httpx.Client, evil: "subprocess.Popen[bytes]"
) -> None:
    host_id = the_host(client)["host_id"]

    def listed() -> bool:
        rows = client.get(f"/api/hosts/{host_id}/processes").json()["processes"]
        return any(row["pid"] == evil.pid and "onerror" in row["cmdline"] for row in rows)

    eventually(listed, 20, "the process is in the table")
    answer = client.get(f"/api/hosts/{host_id}/processes")
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["x-content-type-options"] == "nosniff"
    said: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        said.append(dialog.message)
        dialog.dismiss()

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        page = browser.new_page()
        page.on("dialog", dismiss)
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        page.goto(new_link(up))
        page.wait_for_selector("main[data-state=live] [role=row][data-pid]")
        page.keyboard.press("/")
        page.get_by_label("Filter processes").fill(f"pid:{evil.pid}")
        row = page.locator(f'[role=row][data-pid="{evil.pid}"]')
        row.wait_for()
        row.hover()
        row.get_by_role("button", name="Details and actions").click()
        page.get_by_role("dialog").get_by_text("Command", exact=True).wait_for()
        assert page.locator("img[src=x]").count() == 0
        assert "onerror" in page.get_by_role("dialog").inner_text()
        browser.close()
    assert said == []
    assert not Path("/tmp/tukur-owned").exists()
    log = up.log_path.read_bytes()
    assert b"\x1b[2J" not in log
    assert not re.search(rb"(?m)^forged: entry", log)


# --- secrets

WORD = "Xq7-tukur-secret-"
FORMS = [
    ("--password", f"{WORD}1"),
    (f"--password={WORD}2",),
    (f"DB_PASSWORD={WORD}3",),
    ("-H", f"Authorization: Bearer {WORD}4"),
    (f"https://ada:{WORD}5@example.org/x",),
    (f"--api-key={WORD}6",),
    (f"--token={WORD}7",),
]


def test_secrets_of_command_lines_and_environments_never_leave_the_host(tmp_path: Path) -> None:
    """Searched for in all that the agent spools and says, in the hub's database, files and log."""
    arguments = [word for form in FORMS for word in form]
    with running(tmp_path / "data", "--log-level", "debug") as up, contextlib.closing(up.sign_in()) as client:
        host_id = the_host(client)["host_id"]
        child = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(60)", "tukur-holds-secrets", *arguments],
            env={"AWS_SECRET_ACCESS_KEY": f"{WORD}8", "PGPASSWORD": f"{WORD}9"},
        )
        try:

            def recorded() -> bool:
                found = client.get("/api/lives", params={"q": "tukur-holds-secrets"}).json()["lives"]
                return any(life["pid"] == child.pid for life in found)

            eventually(recorded, 40, "its command line is on record")
            table = client.get(f"/api/hosts/{host_id}/processes").text
            assert "tukur-holds-secrets" in table
            shown = [table, client.get("/api/lives", params={"q": "tukur-holds-secrets"}).text]
        finally:
            child.kill()
            child.wait()
        # All that it writes is written then.
        up.stop()
        log = up.log_path.read_bytes()
    assert WORD not in "".join(shown)
    kept = {path: path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()}
    assert any(b"tukur-holds-secrets" in content for content in kept.values()), (
        "it is looked for where it would be"
    )
    leaking = [str(path) for path, content in kept.items() if WORD.encode() in content]
    assert leaking == []
    assert WORD.encode() not in log
