"""Which database a command is told to use."""

import argparse
from pathlib import Path

import pytest

from tests.support.settings import resolved
from tukur.cli.errors import CommandError, Exit
from tukur.cli.options.database import database
from tukur.cli.settings.resolve import arguments_of
from tukur.cli.settings.table import DATABASE

URL = "mysql://owl@localhost/record"


def parsed(*words: str) -> argparse.Namespace:
    return resolved(words, DATABASE)


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TUKUR_DATABASE", raising=False)


def test_without_a_word_it_is_the_file_in_the_data_directory() -> None:
    assert database(parsed()) is None


def test_the_command_line_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUKUR_DATABASE", "mysql://owl:secret@localhost/other")
    found = database(parsed("--database", URL))
    assert found is not None
    assert (found.database, found.password) == ("record", "")
    found = database(parsed())
    assert found is not None
    assert (found.database, found.password) == ("other", "secret")


def test_a_password_comes_from_a_files_first_line(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("se cret\n\n")
    (tmp_path / "password").chmod(0o600)
    found = database(parsed("--database", URL, "--database-password-file", str(tmp_path / "password")))
    assert found is not None
    assert found.password == "se cret"


def test_what_is_started_gets_the_same_options() -> None:
    words = [f"--database={URL}", "--database-password-file=/etc/tukur/password"]
    assert arguments_of(parsed(*words), DATABASE.settings) == words
    assert arguments_of(parsed(), DATABASE.settings) == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--database", "mysql://owl:secret@localhost/record"], "every user of this machine can read"),
        (["--database", "sqlite:///x"], "begins with 'sqlite'"),
        (["--database-password-file", "/dev/null"], "without --database"),
        (["--database", URL, "--database-password-file", "/nowhere"], "No such file"),
        (["--database", URL, "--database-password-file", "/dev/null"], "first line is empty"),
    ],
)
def test_what_cannot_be_meant_is_told_in_one_line(words: list[str], told: str) -> None:
    with pytest.raises(CommandError, match=told) as raised:
        database(parsed(*words))
    assert raised.value.exit_code is Exit.USAGE
    assert "secret" not in str(raised.value)


def test_two_passwords_are_one_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "password").write_text("one")
    monkeypatch.setenv("TUKUR_DATABASE", "mysql://owl:two@localhost/other")
    with pytest.raises(CommandError, match="one of them expected"):
        database(parsed("--database-password-file", str(tmp_path / "password")))
