"""Settings files, and what is wrong with them."""

from pathlib import Path

import pytest

from tukur.cli.errors import CommandError, Exit
from tukur.cli.settings.files import load_files, read_file
from tukur.cli.settings.table import AGENT, HUB


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "hub.toml"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("prot = 1", "unknown key 'prot'; did you mean 'port'?"),
        ("tls_cert = 'c.pem'", "unknown key 'tls_cert'; did you mean 'tls-cert'?"),
        ("spool-size = 1", "unknown key 'spool-size'; it belongs in agent.toml"),
        ("zzzzzz = 1", "unknown key 'zzzzzz'; `tukur config show`"),
        ("config = 'x'", "unknown key 'config'"),
        ("port = '8787'", "port = '8787'; 1 to 65535 expected"),
        ("name = 'hub.example'", "name = 'hub.example'; a list of names expected"),
        ("require-reason = 'yes'", "require-reason = 'yes'; true or false expected"),
        ("database = ['mysql://owl:hush@localhost/record']", "database: a text expected"),
        ("keep-seconds = 7", "keep-seconds = 7; an hour or more expected"),
    ],
)
def test_a_wrong_key_or_value_is_told_with_what_was_expected(file: Path, text: str, told: str) -> None:
    file.write_text(text)
    problems = read_file(file, HUB.settings).problems()
    assert len(problems) == 1
    assert problems[0].startswith(told)
    assert "hush" not in problems[0]


def test_a_daemon_reports_the_first_of_several_problems_in_one_line(file: Path) -> None:
    file.write_text("prot = 1\nhots = 2\n")
    with pytest.raises(CommandError, match=r"hub.toml: unknown key 'prot'.*\(and 1 more") as caught:
        load_files((HUB,), file)
    assert caught.value.exit_code is Exit.USAGE
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"port = ", "is not valid TOML: Invalid value"),
        (b"port = 1\nport = 2", "is not valid TOML: Cannot overwrite"),
        (b"a = " + b"[" * 100_000, "is not valid TOML"),
        (b"name = ['\xff']", "is not valid UTF-8"),
    ],
)
def test_what_is_no_toml_is_told(file: Path, content: bytes, told: str) -> None:
    file.write_bytes(content)
    with pytest.raises(CommandError, match=told):
        read_file(file, HUB.settings)


def test_a_file_that_others_can_write_is_refused(file: Path) -> None:
    file.touch()
    file.chmod(0o666)
    with pytest.raises(CommandError, match=r"mode 0666 and owner .* writable by nobody else"):
        read_file(file, HUB.settings)


def test_a_given_file_must_exist(file: Path) -> None:
    with pytest.raises(CommandError, match=r"hub.toml cannot be read: No such file"):
        load_files((HUB,), file)


def test_a_given_file_may_say_what_any_of_the_daemons_takes(file: Path) -> None:
    file.write_text("port = 1\nspool-size = 2\n")
    (found,) = load_files((HUB, AGENT), file)
    assert found.content == {"port": 1, "spool-size": 2}
