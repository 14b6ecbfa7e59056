"""The modules build without a word of the compiler, of sparse and of checkpatch."""

import subprocess
from pathlib import Path

import pytest

from tests.kernel.vm import machine

HEADERS = machine.headers()


@pytest.mark.parametrize("build", HEADERS or [None], ids=lambda build: build.parent.name if build else "-")
def test_the_modules_build_without_warnings(build: Path | None, tmp_path: Path) -> None:
    if build is None:
        pytest.skip("no kernel headers below /lib/modules")
    said = machine.build_modules(build, tmp_path / "module", "W=1")
    assert [line for line in said.splitlines() if "warning" in line.lower()] == []


@pytest.mark.parametrize(
    "build", HEADERS[-1:] or [None], ids=lambda build: build.parent.name if build else "-"
)
def test_sparse_finds_nothing(build: Path | None, tmp_path: Path) -> None:
    if build is None:
        pytest.skip("no kernel headers below /lib/modules")
    if subprocess.run(["which", "sparse"], check=False, capture_output=True).returncode:
        pytest.skip("sparse is not installed")
    said = machine.build_modules(build, tmp_path / "module", "C=1", "CF=-Wsparse-error")
    assert [line for line in said.splitlines() if "warning" in line.lower() or "error" in line.lower()] == []


def test_the_sources_are_written_as_the_kernel_writes() -> None:
    scripts = sorted(Path("/usr/src").glob("linux*/scripts/checkpatch.pl"))
    scripts += (machine.ROOT / ".cache" / "checkpatch").glob("checkpatch.pl")
    if not scripts:
        pytest.skip("no checkpatch.pl of the kernel below /usr/src or in .cache/checkpatch")
    sources = [path for path in sorted(machine.MODULE_DIR.iterdir()) if path.suffix in (".c", ".h")]
    done = subprocess.run(
        [scripts[-1], "--strict", "--no-tree", "--terse", "--no-summary", "--file", *sources],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.stdout == ""


def test_the_header_is_found_where_the_checkout_has_it(tmp_path: Path) -> None:
    if not HEADERS:
        pytest.skip("no kernel headers below /lib/modules")
    subprocess.run(["cp", "-r", machine.MODULE_DIR.parent, tmp_path / "native"], check=True)
    folder = tmp_path / "native" / "module"
    subprocess.run(
        ["make", "-s", "-C", HEADERS[-1], f"M={folder}", "modules"], check=True, capture_output=True
    )
    assert (folder / "tukur_cpu.ko").exists()
    assert (folder / "tukur_ram.ko").exists()
