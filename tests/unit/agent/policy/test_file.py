"""The file of a host's policy."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tukur.agent.policy.file import PolicyError, PolicyFile, load_policy, parse_policy
from tukur.agent.policy.policy import ACTIONS, SIGNALS, Policy, Selection

WHOLE = """
mode = "signals"
signals = ["TERM"]
actions = ["renice", "freeze"]
[allow]
users = ["app"]
[protect]
units = ["db-*.service"]
names = ["licence"]
[unprotect]
names = ["redis-server"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "policy.toml"


def test_every_key_is_understood() -> None:
    assert parse_policy(WHOLE) == Policy(
        signals=("TERM",),
        actions=("renice", "freeze"),
        allow=Selection(users=("app",)),
        protect=Selection(units=("db-*.service",), names=("licence",)),
        unprotect=("redis-server",),
    )


def test_a_host_without_a_policy_is_monitor_only(file: Path) -> None:
    assert load_policy(file).monitor_only
    file.write_text("")
    assert load_policy(file).monitor_only


def test_a_file_of_signals_alone_stays_good_and_a_mode_alone_allows_every_signal() -> None:
    assert parse_policy('signals = ["TERM"]') == Policy(signals=("TERM",))
    assert parse_policy('mode = "signals"') == Policy(signals=SIGNALS)
    assert parse_policy('mode = "monitor-only"\nsignals = ["KILL"]\nactions = ["renice"]').monitor_only


@pytest.mark.parametrize(
    "content",
    [
        "signals = 7",
        'signals = ["USR1"]',
        "signals = [[]]",
        'signal = ["TERM"]',
        "signals = [",
        'mode = "all"',
        'actions = ["reboot"]',
        'allow = "root"',
        "[allow]\nuser = []",
        "[protect]\nnames = [7]",
        '[protect]\nnames = [""]',
        "[unprotect]\nusers = []",
        "unprotect = 1",
        "a" * 10 + "=" + "[" * 2000,
        "\xff\xfe",
    ],
)
def test_a_policy_that_cannot_be_understood_allows_nothing_and_says_why(file: Path, content: str) -> None:
    file.write_text(content, encoding="latin-1")
    with pytest.raises(PolicyError, match=r"policy\.toml"):
        load_policy(file)


@given(st.text())
def test_any_text_is_a_policy_or_an_error_with_words(text: str) -> None:
    try:
        found = parse_policy(text)
    except PolicyError as error:
        assert str(error)
    else:
        assert set(found.signals) <= set(SIGNALS)
        assert set(found.actions) <= set(ACTIONS)


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666])
def test_a_file_that_others_can_write_is_not_believed(file: Path, mode: int) -> None:
    file.write_text('mode = "signals"')
    file.chmod(mode)
    with pytest.raises(PolicyError, match="writable by nobody else expected"):
        load_policy(file)


def test_a_change_of_the_file_holds_at_the_next_order(file: Path) -> None:
    file.write_text('signals = ["TERM"]')
    source = PolicyFile(file, Policy(own_pid=7))
    assert source.current() == Policy(signals=("TERM",), own_pid=7)
    file.write_text('signals = ["TERM", "KILL"]')
    assert source.current().signals == ("TERM", "KILL")
    file.unlink()
    assert source.current().monitor_only


def test_a_file_that_breaks_allows_nothing_until_it_is_mended(file: Path) -> None:
    file.write_text('mode = "signals"')
    source = PolicyFile(file, Policy())
    file.write_text('mode = "signls"')
    assert source.current().monitor_only
    assert "one of monitor-only, signals expected" in source.current().forbids("signal", "TERM")[1]
    file.write_text('mode = "signals"')
    assert source.current().signals == SIGNALS


def test_another_file_takes_its_place_while_the_agent_runs_and_a_bad_one_does_not(
    file: Path, tmp_path: Path
) -> None:
    file.write_text('signals = ["TERM"]')
    policy, other = PolicyFile(file, Policy(own_pid=7)), tmp_path / "other.toml"
    other.write_text('signal = ["KILL"]')
    with pytest.raises(PolicyError, match="unknown key"):
        policy.change(other, None)
    assert policy.current().signals == ("TERM",)
    other.write_text('signals = ["KILL"]')
    policy.change(other, None)
    assert (policy.current().signals, policy.current().own_pid) == (("KILL",), 7)
    other.write_text('signals = ["HUP", "INT"]')
    assert policy.current().signals == ("HUP", "INT")
    policy.change(tmp_path / "absent", Policy(signals=SIGNALS))
    assert policy.current().signals == SIGNALS


def test_without_a_file_the_machine_of_the_hub_itself_allows_what_its_start_says(file: Path) -> None:
    source = PolicyFile(file, Policy(own_pid=7, supervisor=6), absent=Policy(signals=SIGNALS))
    assert source.current() == Policy(signals=SIGNALS, own_pid=7, supervisor=6)
    file.write_text('signals = ["TERM"]')
    assert source.current().signals == ("TERM",), "the file has the last word"
