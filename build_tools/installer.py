"""``python -m build_tools.installer [FOLDER]``: what a hub's installer serves, so that a machine joins
without internet: the agent's wheel, the wheels that it needs for each Python and architecture, and pip.

Everything comes from ``requirements/installer.txt`` by its hashes. ``SHA256SUMS`` lists every file: a join
token carries the hash of that list.
"""

import argparse
import hashlib
import itertools
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from packaging.requirements import Requirement

from build_tools.wheel import build_wheel

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
ARCHITECTURES = ("x86_64", "aarch64")
MANIFEST = "SHA256SUMS"
# glibc 2.28 is that of Debian 10 and of RHEL 8.
_PLATFORMS = ("manylinux2014", *(f"manylinux_2_{minor}" for minor in range(17, 29)))


class InstallerError(Exception):
    """The folder cannot be made; the text says which package, Python and architecture."""


def build(root: Path, folder: Path, pythons: Sequence[str], architectures: Sequence[str]) -> Path:
    """Makes `folder` anew and returns it; `root` is the checkout. Raises InstallerError.

    The old folder is replaced as a whole at the end: a hub never serves half of it.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".installer-", dir=folder.parent) as temporary:
        made = Path(temporary) / "installer"
        made.mkdir()
        locked = (root / "requirements" / "installer.txt").read_text(encoding="utf-8")
        for python, architecture in itertools.product(pythons, architectures):
            _download(for_target(locked, python, architecture), made, python, architecture)
        wheel = build_wheel(root, made)
        (made / ".gitignore").unlink(missing_ok=True)
        _write(made / "requirements.txt", locked + _pinned(wheel))
        shutil.copy2(root / "deploy" / "systemd" / "tukur-agent.service", made)
        shutil.copy2(root / "src" / "tukur" / "hub" / "installer" / "uninstall.sh", made)
        _write(made / MANIFEST, manifest(made))
        _replace(made, folder)
    return folder


def for_target(locked: str, python: str, architecture: str, leave_out: Sequence[str] = ()) -> str:
    """The requirements that apply there, without their markers: pip evaluates those of its own machine."""
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "platform_machine": architecture,
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
        "sys_platform": "linux",
    }
    kept = []
    for entry in _entries(locked):
        requirement, *hashes = entry.split(" --hash=")
        parsed = Requirement(requirement)
        applies = parsed.marker is None or parsed.marker.evaluate(environment)
        if applies and parsed.name not in leave_out:
            words = [f"{parsed.name}{parsed.specifier}", *(f"--hash={one.strip()}" for one in hashes)]
            kept.append(" ".join(words))
    return "\n".join(kept) + "\n"


def _entries(locked: str) -> Iterator[str]:
    lines = (line for line in locked.splitlines() if line.strip() and not line.lstrip().startswith("#"))
    joined = "\n".join(lines).replace("\\\n", " ")
    return (" ".join(entry.split()) for entry in joined.splitlines())


def compatible(python: str, architecture: str) -> list[str]:
    """pip's options for the wheels that another machine can use."""
    platforms = [word for name in _PLATFORMS for word in ("--platform", f"{name}_{architecture}")]
    abis = ["--abi", f"cp{python.replace('.', '')}", "--abi", "abi3", "--abi", "none"]
    binary = ["--only-binary", ":all:", "--implementation", "cp", "--python-version", python]
    return [*binary, *abis, *platforms]


def _download(requirements: str, folder: Path, python: str, architecture: str) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.write(requirements)
        file.flush()
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
                *("--no-deps", "--require-hashes", "--dest", str(folder)),
                *compatible(python, architecture),
                *("--requirement", file.name),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["pip said nothing"]
        raise InstallerError(f"Python {python} on {architecture}: {said[-1]}")


def _pinned(wheel: Path) -> str:
    name, version = wheel.name.split("-")[:2]
    return f"{name}=={version} --hash=sha256:{_sha256(wheel)}\n"


def manifest(folder: Path) -> str:
    """The lines ``SHA-256  NAME`` of every file but the list itself, by name."""
    files = sorted(path for path in folder.iterdir() if path.name != MANIFEST)
    return "".join(f"{_sha256(path)}  {path.name}\n" for path in files)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _replace(made: Path, folder: Path) -> None:
    for path in made.iterdir():
        path.chmod(0o644)
    made.chmod(0o755)
    if folder.exists():
        folder.rename(made.with_name("old"))
    made.rename(folder)


def main() -> int:
    """Builds the folder that the command line names."""
    here = Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description="make the folder that a hub's installer serves")
    parser.add_argument("folder", type=Path, nargs="?", default=here / "dist" / "installer")
    parser.add_argument("--python", action="append", choices=PYTHONS, help="default: all of them")
    parser.add_argument("--architecture", action="append", choices=ARCHITECTURES, help="default: all of them")
    options = parser.parse_args()
    folder = options.folder.resolve()
    try:
        build(here, folder, options.python or PYTHONS, options.architecture or ARCHITECTURES)
    except (InstallerError, OSError) as error:
        print(f"tukur: the installer was not made: {error}", file=sys.stderr)
        return 1
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{folder}: {len(list(folder.iterdir()))} files, {size / 1e6:.0f} MB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
