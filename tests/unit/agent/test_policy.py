"""The host's own word."""

from pathlib import Path

import pytest

from tukur.agent.policy import SIGNALS, Policy, PolicyError, load_signals
from tukur.records import KTHREAD

ALL = Policy(signals=SIGNALS, own_pid=500, supervisor=400)


@pytest.mark.parametrize(
    ("pid", "ppid", "flags", "code"),
    [
        (1, 0, 0, "protected"),
        (30, 2, KTHREAD, "protected"),
        (500, 400, 0, "protected"),
        (400, 1, 0, "protected"),
        (501, 400, 0, "protected"),
        (777, 1, 0, ""),
    ],
)
def test_init_kernel_threads_and_tukur_itself_are_never_signalled(
    pid: int, ppid: int, flags: int, code: str
) -> None:
    assert ALL.refuses(pid, ppid, flags, "KILL")[0] == code


def test_a_host_without_a_policy_is_monitor_only(tmp_path: Path) -> None:
    assert load_signals(tmp_path / "absent.toml") == ()
    assert Policy().refuses(777, 1, 0, "TERM")[0] == "monitor_only"


def test_only_the_signals_that_the_file_names_are_allowed(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text('signals = ["TERM"]\n')
    policy = Policy(signals=load_signals(file))
    assert policy.refuses(777, 1, 0, "TERM") == ("", "")
    assert policy.refuses(777, 1, 0, "KILL")[0] == "signal_forbidden"


@pytest.mark.parametrize(
    "content", ["signals = 7", 'signals = ["USR1"]', 'signal = ["TERM"]', "signals = [", "\xff\xfe"]
)
def test_a_policy_that_cannot_be_understood_allows_nothing_and_says_why(tmp_path: Path, content: str) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(content, encoding="latin-1")
    with pytest.raises(PolicyError, match=r"policy\.toml"):
        load_signals(file)
