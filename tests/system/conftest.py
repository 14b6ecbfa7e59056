"""What several test files share: a running ``tukur up`` for those that do not break it, the wheel, Docker."""

import contextlib
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.docker import Docker, running_docker
from tests.support.running import Up, running

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    data: Path = tmp_path_factory.mktemp("up") / "data"
    with running(data) as started:
        yield started


@pytest.fixture(scope="module")
def client(up: Up) -> Iterator[httpx.Client]:
    with contextlib.closing(up.sign_in()) as signed_in:
        yield signed_in


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
def installer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a hub's installer serves, for this Python and this architecture; not to be changed."""
    folder = tmp_path_factory.mktemp("installer") / "installer"
    here = (
        "--python",
        f"{sys.version_info.major}.{sys.version_info.minor}",
        "--architecture",
        platform.machine(),
    )
    made = subprocess.run(
        [sys.executable, "-m", "build_tools.installer", str(folder), *here],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    return folder


@pytest.fixture(scope="session")
def docker(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Docker]:
    """A daemon of the tests' own with both images, and MariaDB in MySQL's place."""
    with running_docker(tmp_path_factory.mktemp("docker")) as daemon:
        daemon.build_images(wheel)
        yield daemon
