"""``tukur join-token create --google``: by what machines that prove who they are know the hub."""

from pathlib import Path

import pytest

from tukur.cli import main
from tukur.cli.errors import Exit
from tukur.hub.address import HubAddress, write_address
from tukur.protocol.join_token import JoinToken


def printed(folder: Path, address: HubAddress, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """(exit code, output, error)"""
    write_address(folder, address)
    code = main(["join-token", "create", "--google", "--data", str(folder)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_the_token_for_machines_of_google_holds_no_secret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub = HubAddress(join="https://hub.example", trust="system", google=True)
    code, out, _ = printed(tmp_path, hub, capsys)
    assert code == 0
    assert JoinToken.parse(out) == JoinToken(b"", None, None)


@pytest.mark.parametrize(
    ("hub", "words"),
    [
        (
            HubAddress(join="https://hub.example", trust="system"),
            "--google-project and --google-groups expected",
        ),
        (HubAddress(google=True), "no other machine can reach this hub"),
    ],
)
def test_a_hub_that_such_machines_cannot_join_makes_no_token(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], hub: HubAddress, words: str
) -> None:
    code, out, error = printed(tmp_path, hub, capsys)
    assert (code, out) == (Exit.FAILED, "")
    assert words in error
