"""``python -m build_tools.deb [FOLDER]``: the Debian package `tukur-agent`, with the libraries it needs.

It is made of an installer's folder (``make installer``), whose wheels are compared with their locked hashes,
and of the files in ``deploy/debian``. The libraries are compiled for one Python, that of a release of Debian.
"""

import argparse
import gzip
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import Literal

from build_tools.installer import ARCHITECTURES, PYTHONS, compatible, for_target
from tukur import __version__

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "tukur-agent"
DEBIAN_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_MAINTAINER = "The tukur contributors <tukur@users.noreply.github.com>"
_SCRIPTS = ("preinst", "postinst", "prerm", "postrm")
_NEEDED = "libgcc-s1, libstdc++6, passwd, init-system-helpers (>= 1.54)"
_CONFFILE = "etc/tukur/agent.toml"
_LIBRARIES = f"usr/lib/{PACKAGE}"


class DebError(Exception):
    """The package cannot be made; one line."""


@dataclass(frozen=True, slots=True)
class Build:
    """One package."""

    installer: Path
    """Folder with the wheels."""
    python: str
    """Such as 3.11."""
    architecture: str
    """As Python names it."""
    revision: int = 1
    """What comes after the version: higher for a new package of the same tukur."""
    time_s: int = 0
    """Of its files and its change log, in seconds since 1970: the same input makes the same package."""
    compression: Literal["xz", "gzip"] = "xz"
    """The second is quick."""

    @property
    def version(self) -> str:
        """Of the package. The newer Python's is the newer package, for upgrades of the system."""
        return f"{__version__}-{self.revision}.py{self.python}"

    @property
    def file_name(self) -> str:
        """As dpkg names packages."""
        return f"{PACKAGE}_{self.version}_{DEBIAN_ARCHITECTURES[self.architecture]}.deb"


def build(package: Build, folder: Path) -> Path:
    """Makes the package in a folder; its path. Raises DebError."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="tukur-deb-") as temporary:
        tree = Path(temporary) / "tree"
        tree.mkdir(mode=0o755)
        _install_libraries(package, tree / _LIBRARIES)
        _lay_down(package, tree)
        _control(package, tree)
        made = folder / package.file_name
        _run(
            ["dpkg-deb", "--root-owner-group", f"-Z{package.compression}", "--build", str(tree), str(made)],
            SOURCE_DATE_EPOCH=str(package.time_s),
        )
    return made


def _install_libraries(package: Build, target: Path) -> None:
    locked = (package.installer / "requirements.txt").read_text(encoding="utf-8")
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.write(for_target(locked, package.python, package.architecture, leave_out=("pip",)))
        file.flush()
        _run(
            [
                *(
                    sys.executable,
                    "-m",
                    "pip",
                    "--isolated",
                    "install",
                    "--quiet",
                    "--no-compile",
                    "--no-deps",
                ),
                *("--disable-pip-version-check", "--root-user-action", "ignore", "--no-index"),
                *("--find-links", str(package.installer), "--require-hashes", "--target", str(target)),
                *compatible(package.python, package.architecture),
                *("--requirement", file.name),
            ]
        )
    # Programs of the libraries, and what only their developers need.
    for path in (target / "bin", *target.glob("**/tests")):
        shutil.rmtree(path, ignore_errors=True)
    for record in target.glob("*.dist-info/direct_url.json"):
        record.unlink()


def _lay_down(package: Build, tree: Path) -> None:
    own = ROOT / "deploy" / "debian"
    _copy(own / "tukur", tree / "usr/bin/tukur", 0o755)
    _copy(own / "tukur-agent-join", tree / "usr/sbin/tukur-agent-join", 0o755)
    _copy(own / "agent.toml", tree / _CONFFILE, 0o644)
    _copy(own / "lintian-overrides", tree / "usr/share/lintian/overrides" / PACKAGE, 0o644)
    documents = tree / "usr/share/doc" / PACKAGE
    _copy(own / "copyright", documents / "copyright", 0o644)
    (documents / "changelog.Debian.gz").write_bytes(gzip.compress(_changelog(package).encode(), mtime=0))
    unit = (ROOT / "deploy/systemd/tukur-agent.service").read_text(encoding="utf-8")
    unit = unit.replace("/usr/local/bin/tukur", "/usr/bin/tukur")
    # Without it a machine that has not joined yet would start it again each second.
    unit = unit.replace("\n[Service]", "ConditionPathExists=/var/lib/tukur-agent/joined.json\n\n[Service]", 1)
    _write(tree / "lib/systemd/system/tukur-agent.service", unit)
    _normalize(tree)


def _normalize(tree: Path) -> None:
    # What pip made has the modes of this process's umask.
    for path in (tree, *tree.rglob("*")):
        shared_library = ".so" in path.suffixes
        runs = path.is_dir() or (path.stat().st_mode & stat.S_IXUSR and not shared_library)
        path.chmod(0o755 if runs else 0o644)


def _changelog(package: Build) -> str:
    date = formatdate(package.time_s)
    return (
        f"{PACKAGE} ({package.version}) unstable; urgency=medium\n\n"
        "  * https://github.com/tukur/tukur/blob/main/CHANGELOG.md says what has changed.\n\n"
        f" -- {_MAINTAINER}  {date}\n"
    )


def _control(package: Build, tree: Path) -> None:
    major, minor = (int(part) for part in package.python.split("."))
    size = sum(path.stat().st_size for path in tree.rglob("*") if path.is_file()) // 1024
    control = f"""\
Package: {PACKAGE}
Version: {package.version}
Section: admin
Priority: optional
Architecture: {DEBIAN_ARCHITECTURES[package.architecture]}
Maintainer: {_MAINTAINER}
Installed-Size: {size}
Depends: python3 (>= {package.python}~), python3 (<< {major}.{minor + 1}~), libc6 (>= 2.28), {_NEEDED}
Recommends: libbpf1
Homepage: https://github.com/tukur/tukur
Description: records every process of this machine, every second
 The agent of tukur: it reads CPU time, memory and I/O of every process once a
 second, keeps what its hub has not received yet, and carries out the hub's
 orders as far as the policy of this machine allows: by default none.
"""
    _write(tree / "DEBIAN/control", control)
    _write(tree / "DEBIAN/conffiles", f"/{_CONFFILE}\n")
    for name in _SCRIPTS:
        _copy(ROOT / "deploy" / "debian" / name, tree / "DEBIAN" / name, 0o755)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o644)


def _copy(source: Path, target: Path, mode: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)


def _run(command: list[str], **environment: str) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        raise DebError(f"{Path(command[0]).name} failed: {said[-1]}")


def lint(made: Path) -> str:
    """Raises DebError if lintian finds an error; whether it is installed."""
    if shutil.which("lintian") is None:
        return "not checked: lintian is not installed"
    done = subprocess.run(
        ["lintian", "--fail-on", "error", str(made)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise DebError(f"lintian finds:\n{done.stdout}")
    return "no errors by lintian"


def commit_time() -> int:
    """Of the commit that is checked out; now, if there is none."""
    found = subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return int(found.stdout or time.time())


def main() -> int:
    """0, or 1 with one line that says why not."""
    parser = argparse.ArgumentParser(prog="python -m build_tools.deb", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "dist")
    parser.add_argument("--installer", type=Path, default=ROOT / "dist" / "installer")
    parser.add_argument("--python", choices=PYTHONS, default="3.11", help="default: 3.11, that of Debian 12")
    parser.add_argument("--architecture", choices=ARCHITECTURES, action="append", help="default: all of them")
    parser.add_argument("--revision", type=int, default=1)
    options = parser.parse_args()
    try:
        for architecture in options.architecture or ARCHITECTURES:
            package = Build(options.installer, options.python, architecture, options.revision, commit_time())
            made = build(package, options.folder)
            print(f"{made}: {made.stat().st_size / 1e6:.0f} MB, {lint(made)}")
    except (DebError, OSError) as error:
        print(f"tukur: the package was not made: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
