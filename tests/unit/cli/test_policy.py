"""``tukur policy``."""

import os
import subprocess
from pathlib import Path

import pytest

from tukur.cli import main


def test_check_says_what_a_file_allows_and_what_is_wrong_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "policy.toml"
    assert main(["policy", "check", "--policy", str(file)]) == 0
    assert "monitor-only" in capsys.readouterr().out
    file.write_text('signals = ["TERM"]\n[protect]\nusers = ["db"]\n')
    assert main(["policy", "check", "--policy", str(file)]) == 0
    shown = capsys.readouterr().out
    assert "signals: TERM" in shown
    assert "protected: users db" in shown
    file.write_text('signal = ["TERM"]')
    assert main(["policy", "check", "--policy", str(file)]) == 1
    assert "unknown key" in capsys.readouterr().err


def test_without_an_option_it_is_the_file_that_the_agents_settings_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    policy, settings = tmp_path / "mine.toml", tmp_path / "agent.toml"
    settings.write_text(f'policy = "{policy}"\n')
    policy.write_text('signals = ["HUP"]\n')
    assert main(["policy", "check", "--config", str(settings)]) == 0
    assert "signals: HUP" in capsys.readouterr().out
    monkeypatch.setenv("TUKUR_CONFIG", str(settings))
    assert main(["policy", "test", str(os.getpid()), "--signal", "TERM"]) == 1
    assert "signal_forbidden" in capsys.readouterr().out
    monkeypatch.setenv("TUKUR_POLICY", str(tmp_path / "absent"))
    assert main(["policy", "check"]) == 0
    assert f"{tmp_path}/absent does not exist" in capsys.readouterr().out


def test_test_says_what_becomes_of_an_order_to_a_process(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "policy.toml"
    file.write_text('signals = ["TERM"]\n[allow]\nnames = ["sleep"]\n')
    child = subprocess.Popen(["sleep", "60"])
    try:
        ask = ["policy", "test", "--policy", str(file)]
        assert main([*ask, str(child.pid), "--signal", "TERM"]) == 0
        assert capsys.readouterr().out == f"allowed: TERM to sleep ({child.pid})\n"
        assert main([*ask, str(child.pid)]) == 1
        assert "signal_forbidden" in capsys.readouterr().out
        assert main([*ask, str(os.getpid()), "--signal", "TERM"]) == 1
        assert "not among those" in capsys.readouterr().out
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert main([*ask, str(child.pid), "--signal", "TERM"]) == 1
        said = capsys.readouterr().err
        assert f"PID {child.pid}: it had ended already, as a zombie of" in said
        assert f"(PID {os.getpid()})" in said
    finally:
        child.kill()
        child.wait()
    assert main([*ask, "4194304"]) == 1
    assert "no process" in capsys.readouterr().err
