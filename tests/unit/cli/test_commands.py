"""The command line as such: names, options, errors."""

import argparse
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.settings import resolved
from tukur.cli import COMMANDS, main
from tukur.cli.errors import CommandError, Exit
from tukur.cli.hub import check_port, parse_enrol
from tukur.cli.settings.table import ADDRESS
from tukur.cli.up import local_url

HOST = "11111111-2222-3333-4444-555555555555"

ROOT = Path(__file__).resolve().parents[3]


def test_every_command_has_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    for command in COMMANDS:
        with pytest.raises(SystemExit) as ended:
            main([command.name, "--help"])
        assert ended.value.code == 0
        assert command.help in " ".join(capsys.readouterr().out.split())


def test_without_a_command_the_commands_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "sign-in-link" in capsys.readouterr().out


def test_a_command_imports_only_what_it_needs() -> None:
    program = "import sys\nfrom tukur.cli import main\nmain([])\nprint('numpy' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "False"


def test_a_command_that_needs_the_hub_says_what_to_install_where_it_is_not() -> None:
    program = (
        "import sys\nsys.modules['litestar'] = None\nfrom tukur.cli import main\nsys.exit(main(['hub']))"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert found.returncode == Exit.EXTRA_NOT_INSTALLED
    assert found.stderr == (
        "tukur hub: the hub is not installed on this machine; install it with: pip install 'tukur[hub]'\n"
    )


def test_every_command_without_the_hub_is_in_the_contract_of_the_light_agent() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = {each["id"]: each for each in project["tool"]["importlinter"]["contracts"]}
    listed = {name for name in contracts["light-agent"]["source_modules"] if name.startswith("tukur.cli.")}
    assert listed == {command.module for command in COMMANDS if not command.needs_hub}


def test_a_users_mistake_is_one_line_and_an_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["token", "list", "--data", str(tmp_path / "nowhere")]) == Exit.FAILED
    complaint = capsys.readouterr().err
    assert complaint.startswith("tukur token: no data directory at ")
    assert len(complaint.splitlines()) == 1


@pytest.mark.parametrize("key", ["", "zz", "00" * 31])
def test_an_order_key_that_is_none_is_refused(
    key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["agent", "run", "--order-key", key, "--data", str(tmp_path)]) == Exit.USAGE
    assert "64 hexadecimal digits expected" in capsys.readouterr().err


def test_a_scrub_pattern_that_is_no_regex_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["agent", "run", "--order-key", "00" * 32, "--data", str(tmp_path), "--scrub", "("]
    assert main(arguments) == Exit.USAGE
    assert "'('" in capsys.readouterr().err


def test_a_busy_port_is_told_with_its_number() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CommandError, match=str(port)) as caught:
            check_port("127.0.0.1", port)
        assert caught.value.exit_code is Exit.PORT_BUSY
    check_port("127.0.0.1", port)


@pytest.mark.parametrize("words", [("--port", "0"), ("--port", "70000"), ("--host", "no.such.host.invalid")])
def test_an_address_that_cannot_be_is_wrong_usage(words: tuple[str, ...]) -> None:
    with pytest.raises(CommandError, match=rf"{words[0]} '{words[1]}'") as caught:
        options = resolved(words, ADDRESS)
        check_port(options.host, options.port)
    assert caught.value.exit_code is Exit.USAGE


def test_an_enrolment_is_taken_apart() -> None:
    assert parse_enrol(f"{HOST}:{'ab' * 32}:my:host") == (HOST, b"\xab" * 32, "my:host")


@pytest.mark.parametrize("text", ["", HOST, f"{HOST}:zz:name", f"{HOST}:{'ab' * 31}:name"])
def test_an_enrolment_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(CommandError, match="HOST_ID:PUBLIC_KEY:NAME expected"):
        parse_enrol(text)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::1", "http://[::1]:80"),
        ("::", "http://[::1]:80"),
    ],
)
def test_the_agent_of_this_machine_finds_its_hub_wherever_that_listens(host: str, url: str) -> None:
    assert local_url(argparse.Namespace(host=host, port=80), encrypted=False) == url
