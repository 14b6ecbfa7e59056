"""What goes into the folder that a hub's installer serves."""

import hashlib
from pathlib import Path

from build_tools.installer import ARCHITECTURES, MANIFEST, PYTHONS, for_target, manifest

ROOT = Path(__file__).resolve().parents[3]
LOCKED = """# a comment
one==1.0 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via something
two==2.0 ; python_full_version < '3.12' \\
    --hash=sha256:cc
two==3.0 ; python_full_version >= '3.12' \\
    --hash=sha256:dd
never==1.0 ; sys_platform == 'win32' \\
    --hash=sha256:ee
"""


def test_each_python_gets_the_version_that_its_marker_means() -> None:
    one = "one==1.0 --hash=sha256:aa --hash=sha256:bb\n"
    assert for_target(LOCKED, "3.11", "x86_64") == f"{one}two==2.0 --hash=sha256:cc\n"
    assert for_target(LOCKED, "3.14", "aarch64") == f"{one}two==3.0 --hash=sha256:dd\n"


def test_the_locked_requirements_are_one_version_of_each_package_with_hashes_everywhere() -> None:
    locked = (ROOT / "requirements" / "installer.txt").read_text(encoding="utf-8")
    for python in PYTHONS:
        for architecture in ARCHITECTURES:
            lines = for_target(locked, python, architecture).splitlines()
            names = [line.partition("==")[0] for line in lines]
            assert {"pip", "numpy", "msgspec", "pynacl", "websockets", "zstandard"} <= set(names)
            assert len(names) == len(set(names))
            assert all("==" in line and " --hash=sha256:" in line for line in lines)


def test_the_agents_packages_are_those_that_are_tested() -> None:
    tested = (ROOT / "requirements" / "run.txt").read_text(encoding="utf-8")
    locked = (ROOT / "requirements" / "installer.txt").read_text(encoding="utf-8")
    for line in for_target(locked, "3.11", "x86_64").splitlines():
        pinned = line.partition(" ")[0]
        assert pinned.startswith("pip==") or pinned in tested, pinned


def test_the_list_names_every_file_but_itself_with_its_hash(tmp_path: Path) -> None:
    for name in ("b", "a", MANIFEST):
        (tmp_path / name).write_text(name)
    lines = [f"{hashlib.sha256(name.encode()).hexdigest()}  {name}\n" for name in ("a", "b")]
    assert manifest(tmp_path) == "".join(lines)
