"""Secrets from files."""

import os
from pathlib import Path

import pytest

from tukur.cli.errors import CommandError, Exit
from tukur.cli.settings.secrets import CREDENTIALS, Secret, read_secret


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("hush \nsecond line\n")
    path.chmod(0o600)
    return path


def test_it_is_the_first_line(file: Path) -> None:
    assert read_secret("--x-file", file) == "hush "
    assert Secret("--x-file", file).text() == "hush "


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o660])
def test_a_file_that_others_can_read_is_refused_in_one_line(file: Path, mode: int) -> None:
    file.chmod(mode)
    with pytest.raises(CommandError, match=rf"can be read by others .mode {mode:04o}.; mode 0600") as caught:
        read_secret("--x-file", file)
    assert caught.value.exit_code is Exit.USAGE
    assert "hush" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a file to another user needs root")
def test_a_group_may_read_what_root_owns_but_not_what_another_user_does(file: Path) -> None:
    file.chmod(0o640)
    assert read_secret("--x-file", file) == "hush "
    os.chown(file, 65534, 65534)
    with pytest.raises(CommandError, match="can be read by others"):
        read_secret("--x-file", file)


def test_what_systemd_guards_may_have_any_mode(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.chmod(0o644)
    monkeypatch.setenv(CREDENTIALS, str(file.parent))
    assert read_secret("credential", file) == "hush "


@pytest.mark.parametrize(
    ("content", "told"), [(b"", "first line is empty"), (b"\nx", "is empty"), (b"\xff", "not valid UTF-8")]
)
def test_what_is_no_secret_is_told(file: Path, content: bytes, told: str) -> None:
    file.write_bytes(content)
    with pytest.raises(CommandError, match=told):
        read_secret("--x-file", file)


def test_its_representation_does_not_contain_it() -> None:
    assert "hush" not in repr(Secret("TUKUR_X", content="hush"))
