"""The wheel, away from the checkout: the agent without extras, everything with ``[hub]``."""

import contextlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.running import Up, the_host
from tests.support.waiting import eventually
from tukur.cli import COMMANDS
from tukur.cli.errors import Exit

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(500)
def test_the_wheel_holds_the_page_and_the_ebpf_program_and_no_sources_of_theirs(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "tukur/hub/web/index.html" in names
    assert "tukur/hub/web/docs.html" in names
    assert {f"tukur/sources/{name}.bpf.o" for name in ("lives", "tasks", "walk")} <= set(names)
    assert {"tukur/native/module/Kbuild", "tukur/native/include/tukur_record.h"} <= set(names)
    assert any(name.startswith("tukur/hub/store/migrations/versions/") for name in names)
    assert not any(name.endswith((".ts", ".svelte", ".bpf.c")) or "node_modules" in name for name in names)


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def _installed(wheel: Path, extra: str, folder: Path) -> Path:
    """The ``bin`` of a new virtual environment with the wheel, and what the wheel itself asks for."""
    venv = folder / "venv"
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, venv], check=True)
    locked = ROOT / "requirements" / "run.txt"
    subprocess.run(
        [
            *(uv, "pip", "install", "--quiet", "--python", venv / "bin" / "python"),
            *("--constraint", locked, f"tukur{extra} @ {wheel.as_uri()}"),
        ],
        check=True,
    )
    return venv / "bin"


@pytest.mark.timeout(500)
def test_without_extras_the_agents_commands_run_and_the_others_say_what_to_install(
    wheel: Path, tmp_path: Path
) -> None:
    bin_folder = _installed(wheel, "", tmp_path)
    packages = {
        path.name.partition("-")[0].lower() for path in bin_folder.parent.glob("lib/*/site-packages/*")
    }
    assert {"msgspec", "numpy", "websockets"} <= packages
    assert not packages & {"litestar", "sqlalchemy", "authlib", "cryptography", "uvicorn", "alembic"}

    def tukur(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [bin_folder / "tukur", *arguments],
            cwd=tmp_path,
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    for command in COMMANDS:
        helped = tukur(command.name, "--help")
        if command.needs_hub:
            assert helped.returncode == Exit.EXTRA_NOT_INSTALLED
            assert "pip install 'tukur[hub]'" in helped.stderr
            assert len(helped.stderr.splitlines()) == 1
        else:
            assert helped.returncode == 0, helped.stderr
    doctor = tukur("doctor")
    assert doctor.returncode == 0, doctor.stderr
    assert "procfs: works" in doctor.stdout
    assert "monitor-only" in tukur("policy", "check", "--policy", str(tmp_path / "none.toml")).stdout
    assert tukur("module", "status").stderr == ""
    not_joined = tukur("agent", "run", "--data", str(tmp_path / "data"))
    assert not_joined.returncode == Exit.USAGE
    assert "has not joined a hub" in not_joined.stderr


@pytest.mark.timeout(500)
def test_without_extras_the_agent_records_while_its_hub_is_away(wheel: Path, tmp_path: Path) -> None:
    bin_folder = _installed(wheel, "", tmp_path)
    data = tmp_path / "data"
    agent = subprocess.Popen(
        [
            *(bin_folder / "tukur", "agent", "run", "--data", data),
            *("--hub", "http://127.0.0.1:1", "--order-key", "00" * 32),
        ],
        cwd=tmp_path,
        env=_environment(),
    )
    try:
        eventually(
            lambda: any(path.stat().st_size for path in data.glob("spool/*")), 90, "a block in the spool"
        )
        assert agent.poll() is None
    finally:
        agent.terminate()
        assert agent.wait(20) == 0


@pytest.mark.timeout(500)
def test_with_the_hub_in_an_empty_environment_everything_runs(wheel: Path, tmp_path: Path) -> None:
    bin_folder = _installed(wheel, "[hub]", tmp_path)
    found = subprocess.run(
        [bin_folder / "python", "-c", "import tukur; print(tukur.__file__)"],
        cwd=tmp_path,
        env=_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.startswith(str(bin_folder.parent))
    up = Up(tmp_path / "data", command=[str(bin_folder / "tukur")])
    try:
        with contextlib.closing(up.sign_in()) as client:
            host = the_host(client)
            assert host["source"] in ("bpf", "procfs")
            page = client.get("/")
            assert page.status_code == 200
            assert "<script" in page.text
            assert client.get("/api/docs").status_code == 200
    finally:
        assert up.stop() == 0
