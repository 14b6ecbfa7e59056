"""Files that hold secrets: their owner's alone, whole or not there."""

from pathlib import Path

import pytest

from tukur.files import fill_secret, kept_secret, write_secret


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_secret_is_replaced_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"old")
    path.chmod(0o644)
    write_secret(path, b"new")
    assert (path.read_bytes(), mode(path)) == (b"new", 0o600)
    assert list(tmp_path.iterdir()) == [path], "nothing temporary stays"


def test_what_is_kept_already_is_not_made_again(tmp_path: Path) -> None:
    path = tmp_path / "key"
    assert kept_secret(path, b"first") == b"first"
    assert kept_secret(path, b"second") == b"first"
    assert mode(path) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_of_two_that_make_it_at_once_both_read_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"the other's")
    with monkeypatch.context() as patched:
        # Each found nothing there when it looked.
        patched.setattr(Path, "exists", lambda _: False)
        assert kept_secret(path, b"mine") == b"the other's"


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    victim, path = tmp_path / "victim", tmp_path / "key"
    victim.write_bytes(b"untouched")
    path.symlink_to(victim)
    fill_secret(path, b"secret")
    assert victim.read_bytes() == b"untouched"
    assert (path.read_bytes(), path.is_symlink(), mode(path)) == (b"secret", False, 0o600)
