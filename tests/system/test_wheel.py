"""``pip install .`` gives a complete program, away from the checkout."""

import contextlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.running import Up, the_host

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of what git tracks, so that nothing left in the checkout can slip in."""
    clean = tmp_path_factory.mktemp("clean") / "tukur"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (clean / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, clean / name)
    folder = tmp_path_factory.mktemp("dist")
    built = subprocess.run(
        [sys.executable, "-m", "build_tools.wheel", str(folder)],
        cwd=clean,
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert built.returncode == 0, built.stderr
    return next(folder.glob("*.whl"))


@pytest.mark.timeout(500)
def test_the_wheel_holds_the_page_and_the_ebpf_program_and_no_sources_of_theirs(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "tukur/hub/web/index.html" in names
    assert "tukur/hub/web/docs.html" in names
    assert "tukur/sources/tasks.bpf.o" in names
    assert {"tukur/native/module/Kbuild", "tukur/native/include/tukur_record.h"} <= set(names)
    assert any(name.startswith("tukur/hub/store/migrations/versions/") for name in names)
    assert not any(name.endswith((".ts", ".svelte", ".bpf.c")) or "node_modules" in name for name in names)


@pytest.mark.timeout(500)
def test_installed_in_an_empty_environment_it_runs(wheel: Path, tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, venv], check=True)
    requirements: list[str | Path] = ["--require-hashes", "-r", ROOT / "requirements" / "run.txt"]
    for what in (requirements, ["--no-deps", wheel]):
        subprocess.run(
            [uv, "pip", "install", "--quiet", "--python", venv / "bin" / "python", *what], check=True
        )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    found = subprocess.run(
        [venv / "bin" / "python", "-c", "import tukur; print(tukur.__file__)"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.startswith(str(venv))
    up = Up(tmp_path / "data", command=[str(venv / "bin" / "tukur")])
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
