"""``python -m build_tools.screenshots``: takes the manual's pictures anew, of real programs at work.

Root is needed: the programs run in namespaces of their own (PIDs, host name), so that a picture shows them
and nothing of the machine that it is taken on. It takes about seven minutes: a chart needs a past.
"""

import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "screenshots"
HOST = "orders-db-2"
INSTALLED = Path("/opt/tukur")
"""A link to the virtual environment while the pictures are taken, so that they show no one's own paths."""
WARM_S = 330
BACKUP_S = 40
LARGEST = 400_000

# Real programs, as an ordinary machine has them: a web server and its client, databases, workers, a search.
SERVICES: tuple[tuple[str, str, str], ...] = (
    ("orders-web.service", "www-data", "exec python3 -m http.server 8080 --bind 127.0.0.1 >/dev/null 2>&1"),
    ("orders-web.service", "www-data", "exec python3 client.py --url http://127.0.0.1:8080/"),
    ("orders-db.service", "postgres", "exec python3 writer.py --database orders.db --rate 900"),
    ("orders-db.service", "postgres", "exec python3 writer.py --database audit.db --rate 60"),
    *(
        ("orders-worker.service", "www-data", f"exec python3 worker.py --queue {queue} --password hunter2")
        for queue in ("mail", "invoices", "stock", "search", "export", "thumbnails", "webhooks", "reports")
    ),
    ("updatedb.service", "nobody", "while :; do find / -xdev -name '*.conf' >/dev/null 2>&1; sleep 9; done"),
    ("cache.service", "daemon", "exec python3 cache.py --megabytes 1400"),
    ("cron.service", "root", "while :; do sleep 60; done"),
)
BACKUP = (
    "backup.service",
    "backup",
    f"timeout {BACKUP_S} tar -c /usr/lib /usr/share 2>/dev/null | gzip -6 >/dev/null",
)

WRITER = """
import argparse, os, sqlite3, time
options = argparse.ArgumentParser()
options.add_argument("--database")
options.add_argument("--rate", type=int)
given = options.parse_args()
open("/proc/self/comm", "w").write("writer")
store = sqlite3.connect(given.database)
store.execute("create table if not exists entry (id integer primary key, at real, body text)")
while True:
    for _ in range(given.rate // 10):
        store.execute("insert into entry (at, body) values (?, ?)", (time.time(), os.urandom(64).hex()))
    store.commit()
    store.execute("select count(*), max(at) from entry").fetchone()
    time.sleep(0.1)
"""
CACHE = """
import argparse, random, time
options = argparse.ArgumentParser()
options.add_argument("--megabytes", type=int)
given = options.parse_args()
open("/proc/self/comm", "w").write("cache")
held = []
while True:
    if len(held) < given.megabytes // 8:
        held.append(random.randbytes(8 << 20))
    sum(random.choice(held)[::4096])
    time.sleep(0.25)
"""
CLIENT = """
import argparse, time, urllib.request
options = argparse.ArgumentParser()
options.add_argument("--url")
given = options.parse_args()
open("/proc/self/comm", "w").write("probe")
time.sleep(2)
while True:
    for _ in range(60):
        urllib.request.urlopen(given.url).read()
    time.sleep(0.4)
"""
WORKER = """
import argparse, hashlib, random, time
options = argparse.ArgumentParser()
options.add_argument("--queue")
options.add_argument("--password")
given = options.parse_args()
open("/proc/self/comm", "w").write("worker")
held = random.randbytes(random.randrange(20, 120) << 20)
while True:
    for _ in range(random.randrange(1, 40)):
        hashlib.sha256(held[: 1 << 18]).digest()
    time.sleep(random.random() * 2)
"""


def cgroup_root() -> Path | None:
    """Where the v2 hierarchy is mounted; None: nowhere."""
    for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
        _, where, kind, *_ = line.split(" ")
        if kind == "cgroup2":
            return Path(where)
    return None


def start(unit: str, user: str, command: str, folder: Path) -> "subprocess.Popen[bytes]":
    """Starts one program as a user of the machine, within a cgroup named as systemd would."""
    try:
        number = str(pwd.getpwnam(user).pw_uid)
    except KeyError:
        number = "65534"
    join = ""
    root = cgroup_root()
    if root is not None:
        cgroup = root / "system.slice" / unit
        cgroup.mkdir(parents=True, exist_ok=True)
        join = f"echo $$ > {cgroup}/cgroup.procs; "
    drop = f'exec setpriv --reuid {number} --regid {number} --clear-groups sh -c "$0"'
    return subprocess.Popen(["sh", "-c", join + drop, command], cwd=folder, stdin=subprocess.DEVNULL)


def forget_cgroups() -> None:
    """Takes away what `start` made."""
    root = cgroup_root()
    if root is not None:
        for unit in {service[0] for service in (*SERVICES, BACKUP)}:
            path = root / "system.slice" / unit
            if path.is_dir():
                path.rmdir()


def watched(folder: Path) -> None:
    """Within the namespace of PIDs: the programs, and tukur. Ends when standard input does."""
    for name, code in (("writer", WRITER), ("cache", CACHE), ("worker", WORKER), ("client", CLIENT)):
        (folder / f"{name}.py").write_text(code, encoding="utf-8")
    programs = [start(*service, folder) for service in SERVICES]
    tukur = subprocess.Popen(
        [sys.executable, "-m", "tukur", "up", "--data", str(folder / "tukur")],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    time.sleep(WARM_S / 2)
    backup_at = time.time()
    start(*BACKUP, folder).wait()
    time.sleep(WARM_S / 2 - BACKUP_S)
    lines = tukur.stdout or ()
    sign_in_link = next(found for line in lines if (found := re.search(r"http\S+#token\S+", line)))
    print(f"{backup_at} {sign_in_link.group()}", flush=True)
    sys.stdin.read()
    tukur.terminate()
    tukur.wait(20)
    for program in programs:
        program.kill()


def take(page: Page, name: str) -> None:
    """One picture; raises ValueError where it is too large for the manual."""
    page.mouse.move(700, 20)
    page.wait_for_timeout(3000)
    path = PICTURES / f"{name}.png"
    page.screenshot(path=str(path))
    if path.stat().st_size > LARGEST:
        raise ValueError(f"{path}: {path.stat().st_size} bytes found, at most {LARGEST} expected")
    print(f"{path} {path.stat().st_size} bytes")


def pictures(link: str, backup_at: float) -> None:
    """Both pages. The browser is not in the namespace of PIDs: it is not in its own picture."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--headless", "--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1440, "height": 900}, color_scheme="dark")
        page.goto(link)
        page.wait_for_selector("main[data-state=live] [role=row][data-pid]", timeout=30_000)
        take(page, "live")
        base = link.partition("/sign-in")[0]
        begin, peak = int((backup_at - 130) * 1000), int((backup_at + 20) * 1000)
        pick = f"{int(backup_at * 1000)}-{int((backup_at + BACKUP_S) * 1000)}"
        page.goto(f"{base}/over-time?from={begin}&to={begin + 270_000}&at={peak}&pick={pick}")
        page.wait_for_selector("main[data-shown] [role=row][data-pid]")
        take(page, "over-time")
        browser.close()


def outside() -> None:
    """Within the namespaces of network and host name: waits for a past, then takes the pictures."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    if INSTALLED.is_symlink():
        # Of a run that was killed.
        INSTALLED.unlink()
    INSTALLED.symlink_to(sys.prefix)
    python = INSTALLED / "bin" / "python"
    with tempfile.TemporaryDirectory(prefix="orders-", dir="/srv") as folder:
        Path(folder).chmod(0o777)
        spaces = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
        with subprocess.Popen(
            [*spaces, str(python), "-m", "build_tools.screenshots", "watched", folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        ) as inner:
            try:
                backup_at, link = (inner.stdout.readline() if inner.stdout else "").split()
                pictures(link, float(backup_at))
            finally:
                if inner.stdin:
                    inner.stdin.close()
                inner.wait(60)
                forget_cgroups()
                INSTALLED.unlink()


def main() -> int:
    """The exit code."""
    match sys.argv[1:]:
        case ["watched", folder]:
            watched(Path(folder))
        case ["outside"]:
            outside()
        case []:
            if os.geteuid() != 0 or shutil.which("unshare") is None:
                print("build_tools.screenshots: root and unshare(1) are needed", file=sys.stderr)
                return 1
            begin = f'hostname {HOST} && ip link set lo up && exec "$0" -m build_tools.screenshots outside'
            command = ["unshare", "--uts", "--net", "sh", "-c", begin, sys.executable]
            return subprocess.run(command, cwd=ROOT, check=False).returncode
        case other:
            print(f"build_tools.screenshots: no argument expected, {other} found", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
