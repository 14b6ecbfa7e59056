"""Flag before environment before credential before file before default."""

import os
from pathlib import Path

import pytest

from tests.support.settings import resolved
from tukur.cli.errors import CommandError, Exit
from tukur.cli.settings.resolve import arguments_of, variables
from tukur.cli.settings.secrets import CREDENTIALS
from tukur.cli.settings.table import (
    ADDRESS,
    AGENT,
    COLLECTING,
    DATA,
    DATABASE,
    HUB,
    OIDC,
    SPOOL,
    UP_ORDERS,
    settings_of,
)


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (*variables(settings_of((*HUB.groups, *AGENT.groups))), CREDENTIALS):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "both.toml"
    file.touch(0o644)
    monkeypatch.setenv("TUKUR_CONFIG", str(file))


def say(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "both.toml"
    file.write_text(text)
    return file


def test_each_source_yields_to_the_one_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = resolved((), DATA, ADDRESS)
    assert (found.port, found.found["port"].source) == (8787, "default")
    file = say(tmp_path, "port = 1111")
    found = resolved((), DATA, ADDRESS)
    assert (found.port, found.found["port"].place) == (1111, f"port in {file}")
    monkeypatch.setenv("TUKUR_PORT", "2222")
    found = resolved((), DATA, ADDRESS)
    assert (found.port, found.found["port"].place) == (2222, "TUKUR_PORT")
    found = resolved(("--port", "3333"), DATA, ADDRESS)
    assert (found.port, found.found["port"].place) == (3333, "--port")


def test_a_flag_turns_off_what_a_file_turns_on(tmp_path: Path) -> None:
    say(tmp_path, "require-reason = true")
    assert resolved((), DATA, ADDRESS).require_reason
    assert not resolved(("--no-require-reason",), DATA, ADDRESS).require_reason


def test_an_empty_variable_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUKUR_PORT", "")
    assert resolved((), DATA, ADDRESS).port == 8787


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("TUKUR_PORT", "x", "TUKUR_PORT 'x'; 1 to 65535 expected"),
        ("TUKUR_REQUIRE_REASON", "maybe", "TUKUR_REQUIRE_REASON 'maybe'; true or false expected"),
        ("TUKUR_CONFIG", "/nowhere", "/nowhere cannot be read"),
    ],
)
def test_a_wrong_variable_is_named(name: str, value: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(CommandError, match=told) as caught:
        resolved((), DATA, ADDRESS)
    assert caught.value.exit_code is Exit.USAGE


def test_a_secret_comes_from_a_file_a_credential_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("in-toml", "database-password", "by-variable", "by-flag"):
        (tmp_path / name).write_text(name)
        (tmp_path / name).chmod(0o600)
    say(tmp_path, f"database-password-file = '{tmp_path}/in-toml'")
    assert resolved((), DATA, DATABASE).database_password.text() == "in-toml"
    monkeypatch.setenv(CREDENTIALS, str(tmp_path))
    assert resolved((), DATA, DATABASE).database_password.text() == "database-password"
    monkeypatch.setenv("TUKUR_DATABASE_PASSWORD", "direct")
    assert resolved((), DATA, DATABASE).database_password.text() == "direct"
    monkeypatch.delenv("TUKUR_DATABASE_PASSWORD")
    monkeypatch.setenv("TUKUR_DATABASE_PASSWORD_FILE", str(tmp_path / "by-variable"))
    assert resolved((), DATA, DATABASE).database_password.text() == "by-variable"
    flag = ("--database-password-file", str(tmp_path / "by-flag"))
    assert resolved(flag, DATA, DATABASE).database_password.text() == "by-flag"


def test_a_whole_url_may_lie_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "url").write_text("mysql://owl:hush@localhost/record\n")
    (tmp_path / "url").chmod(0o600)
    monkeypatch.setenv("TUKUR_DATABASE_FILE", str(tmp_path / "url"))
    assert resolved((), DATA, DATABASE).database == "mysql://owl:hush@localhost/record"


def test_a_secret_and_its_file_at_once_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUKUR_OIDC_CLIENT_SECRET", "hush")
    monkeypatch.setenv("TUKUR_OIDC_CLIENT_SECRET_FILE", "/run/secrets/x")
    with pytest.raises(CommandError, match="are both set; one of them expected") as caught:
        resolved((), DATA, OIDC)
    assert "hush" not in str(caught.value)


def test_what_up_starts_finds_the_same_values(tmp_path: Path) -> None:
    groups = (DATA, ADDRESS, SPOOL, COLLECTING)
    say(
        tmp_path, "port = 1\nscrub = ['-x', 'a,b']\nrequire-reason = true\ntls-ca = 'ca.pem'\nspool-age = 0.5"
    )
    asked = resolved(("--no-strip-arguments", "--name", "a"), *groups, programs=(HUB, AGENT))
    words = arguments_of(asked, settings_of(groups[1:]))
    child = resolved(("--config", os.devnull, *words), *groups, programs=(HUB, AGENT))
    for setting in settings_of(groups[1:]):
        value = getattr(asked, setting.dest)
        assert getattr(child, setting.dest) == (value.absolute() if isinstance(value, Path) else value)
    assert f"--tls-ca={Path.cwd() / 'ca.pem'}" in words


def test_a_secret_of_the_environment_is_on_no_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUKUR_DATABASE", "mysql://owl:hush@localhost/record")
    assert arguments_of(resolved((), DATA, DATABASE), DATABASE.settings) == []


def test_up_heeds_the_agents_policy(tmp_path: Path) -> None:
    say(tmp_path, "policy = '/srv/policy.toml'")
    assert resolved((), DATA, UP_ORDERS, programs=(HUB, AGENT)).policy == Path("/srv/policy.toml")
