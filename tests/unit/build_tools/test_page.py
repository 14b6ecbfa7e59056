"""What the page's build promises before it builds anything."""

import hashlib
import json
from pathlib import Path

import pytest

from build_tools.page import PageError, build, install

ROOT = Path(__file__).resolve().parents[3]


def test_the_lock_file_names_no_registry_and_every_package_by_its_hash() -> None:
    lock = json.loads((ROOT / "web" / "package-lock.json").read_text(encoding="utf-8"))
    packages = {path: entry for path, entry in lock["packages"].items() if path}
    assert packages
    for path, entry in packages.items():
        assert "resolved" not in entry, path
        # What a package carries within itself has the hash of that package.
        assert "integrity" in entry or entry.get("inBundle"), path


def test_nothing_is_installed_where_node_modules_match_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "package-lock.json"
    lock.write_text("{}", encoding="utf-8")
    modules = tmp_path / "node_modules"
    modules.mkdir()
    stamp = modules / ".tukur-installed"
    stamp.write_text(hashlib.sha256(lock.read_bytes()).hexdigest(), encoding="utf-8")
    install(tmp_path)
    stamp.write_text("of another lock", encoding="utf-8")
    # npm is asked now, and refuses: there is no package.json here.
    with pytest.raises(PageError, match="npm ci"):
        install(tmp_path)


def test_a_checkout_without_the_page_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(PageError, match=r"package-lock\.json is missing"):
        build(tmp_path)
