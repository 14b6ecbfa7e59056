"""``tukur config``."""

import json
from pathlib import Path

import pytest

from tukur.cli import main
from tukur.cli.errors import Exit
from tukur.cli.settings.resolve import variables
from tukur.cli.settings.table import AGENT, HUB


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in variables((*HUB.settings, *AGENT.settings)):
        monkeypatch.delenv(name, raising=False)


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_it_shows_each_value_and_where_it_came_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path / "hub.toml", "port = 9000\nname = ['a', 'b']")
    monkeypatch.setenv("TUKUR_DATABASE", "mysql://owl:pass@word@localhost/record")
    monkeypatch.setenv("TUKUR_OIDC_CLIENT_SECRET", "hush")
    assert main(["config", "show", "hub", "--config", str(file)]) == 0
    told = capsys.readouterr().out
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in told.splitlines()}
    assert set(rows) == {setting.name for setting in HUB.settings if setting.in_file}
    assert rows["port"] == f"9000 port in {file}"
    assert rows["name"] == f"a, b name in {file}"
    assert rows["host"] == "127.0.0.1 default"
    assert rows["database"] == "mysql://owl:***@localhost/record TUKUR_DATABASE"
    assert rows["oidc-client-secret"] == "(hidden) TUKUR_OIDC_CLIENT_SECRET"
    assert "hush" not in told


def test_a_program_reads_it_as_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path / "agent.toml", "spool-size = 64")
    monkeypatch.setenv("TUKUR_STRIP_ARGUMENTS", "true")
    assert main(["config", "show", "agent", "--json", "--config", str(file)]) == 0
    found = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert (found["spool-size"]["value"], found["spool-size"]["source"]) == (64, "file")
    assert (found["strip-arguments"]["value"], found["strip-arguments"]["place"]) == (
        True,
        "TUKUR_STRIP_ARGUMENTS",
    )
    assert found["hub"]["value"] is None


def test_check_reports_every_problem_on_a_line_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path / "agent.toml", "spol-size = 1\nlog-level = 3\nport = 1\n")
    assert main(["config", "check", str(file)]) == Exit.USAGE
    assert capsys.readouterr().err.splitlines() == [
        f"tukur config: {file}: unknown key 'spol-size'; did you mean 'spool-size'?",
        f"tukur config: {file}: log-level = 3; debug, info, warning or error expected",
        f"tukur config: {file}: unknown key 'port'; it belongs in hub.toml",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("port = ", "is not valid TOML"),
        ("tls-cert = 'c.pem'", "--tls-cert and --tls-key belong together"),
        ("keep-seconds = '91d'", "the coarser level must be kept at least as long"),
        ("enrol = ['x']", "HOST_ID:PUBLIC_KEY:NAME expected"),
        ("database = 'mysql://owl:hush@localhost/record'", "database in FILE with a password"),
        (
            "database = 'mysql://owl@localhost/record'\ndatabase-password-file = 'FOLDER/open'",
            "database-password-file in FILE FOLDER/open can be read by others",
        ),
    ],
)
def test_check_finds_what_no_single_key_says(
    text: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "open", "hush", 0o644)
    file = write(tmp_path / "hub.toml", text.replace("FOLDER", str(tmp_path)))
    assert main(["config", "check", str(file)]) == Exit.USAGE
    (line,) = capsys.readouterr().err.splitlines()
    assert told.replace("FILE", str(file)).replace("FOLDER", str(tmp_path)) in line
    assert "hush" not in line


def test_check_finds_a_misspelt_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TUKUR_DATABSE", "x")
    assert main(["config", "check", str(write(tmp_path / "hub.toml", ""))]) == Exit.USAGE
    assert capsys.readouterr().err == (
        "tukur config: TUKUR_DATABSE in the environment is no setting; did you mean TUKUR_DATABASE?\n"
    )


def test_check_accepts_what_is_valid(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "x.toml", "spool-size = 1")
    assert main(["config", "check", "--daemon", "agent", str(file)]) == 0
    assert capsys.readouterr().out == f"{file} is valid\n"


def test_check_says_that_a_file_does_not_exist(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "check", str(tmp_path / "hub.toml")]) == Exit.USAGE
    assert "cannot be read: No such file" in capsys.readouterr().err
