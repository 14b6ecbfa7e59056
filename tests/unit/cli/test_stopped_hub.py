"""Commands on the data directory of a hub that does not run: what they print, and what the next finds."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.store.test_merging import minutes
from tests.support.hub import HOST, OTHER, recorded, running_hub
from tukur import cli
from tukur.cli.errors import Exit

Run = Callable[[str], str]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a hub that has recorded a minute of one host."""
    folder = tmp_path_factory.mktemp("data")

    async def record() -> None:
        async with running_hub(folder) as hub:
            await recorded(hub, *minutes(1))

    asyncio.run(record())
    return folder


@pytest.fixture
def run(data: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command, which has to succeed; what it prints."""

    def succeed(words: str) -> str:
        assert cli.main([*words.split(), "--data", str(data)]) == 0
        return capsys.readouterr().out

    return succeed


def test_the_record_is_measured_verified_and_compacted(run: Run) -> None:
    assert "may still be used" in run("store status")
    assert json.loads(run("store status --json"))["oldest"]["minutes_ms"] == 1_700_000_040_000
    assert run("store verify") == "6 blocks read, all intact\n"
    assert run("store compact").startswith("6 blocks were merged; ")
    assert run("store repair") == "1 blocks are intact, 0 were removed\n"


def test_a_host_is_renamed_grouped_and_revoked(run: Run) -> None:
    for change in (f"rename {HOST} owl", f"groups {HOST} web", f"approval {HOST} on"):
        assert run(f"host {change}") == ""
    (owl,) = (line for line in run("host list").splitlines() if HOST in line)
    assert owl.split("\t")[1::2] == ["owl", "groups: web"]
    assert owl.endswith("needs approval")
    assert f"{OTHER}\thost-2\tnever connected" in run("host list")
    run(f"host revoke {OTHER}")
    assert f"{OTHER}\thost-2\trevoked " in run("host list")


def test_a_user_comes_changes_and_goes(run: Run) -> None:
    assert run("user list") == ""
    assert "/sign-in#token=" in run("user add ada --role viewer")
    run("user role ada operator")
    assert run("user list") == "ada\toperator\tlinks only\n"
    run("user disable ada")
    assert "disabled" in run("user list")
    run("user enable ada")
    assert "/sign-in#token=" in run("user reset ada")
    run("user remove ada")
    assert run("user list") == ""


def test_a_token_is_shown_once_and_listed_without_its_secret(run: Run) -> None:
    secret = run("token create --role viewer --name backup").strip()
    assert secret.startswith("tukur_")
    listed = run("token list")
    assert listed.startswith("backup\tviewer\tuntil ")
    assert secret not in listed
    run("token revoke backup")
    assert run("token list") == ""


def test_what_was_done_is_in_the_audit_log_and_its_order_key_is_named(run: Run) -> None:
    run(f"host rename {HOST} owl")
    assert "all unchanged, none missing" in run("audit verify")
    actions = [json.loads(line)["action"] for line in run("audit export").splitlines()]
    assert actions[0] == "hub.start"
    assert "host.change" in actions
    assert len(run("order-key status").split()[0]) == 64


def test_what_a_hub_for_this_machine_alone_does_not_have_is_said(
    data: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("join-token list") == ""
    assert cli.main(["ca", "status", "--data", str(data)]) == Exit.FAILED
    assert "this hub has not created one" in capsys.readouterr().err
    assert "/sign-in#token=" in run("sign-in-link")
