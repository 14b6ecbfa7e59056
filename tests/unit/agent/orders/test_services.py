"""Who would start a process again."""

import pytest

from tukur.agent.orders.services import parse_show, restart_sentence, who_restarts

SHOWN = "Restart=on-failure\nMainPID=812\nNRestarts=0\nTriggeredBy=\n"


def test_what_systemctl_shows_is_read() -> None:
    assert parse_show(SHOWN)["Restart"] == "on-failure"
    assert parse_show("") == {}


@pytest.mark.parametrize(
    ("restart", "words"),
    [
        ("always", "however it ends"),
        ("on-failure", "after KILL or a failure, not after TERM"),
        ("on-success", "TERM included"),
        ("on-abnormal", "not after TERM"),
    ],
)
def test_each_restart_policy_is_told_in_words(restart: str, words: str) -> None:
    found = restart_sentence("db.service", {"Restart": restart, "MainPID": "812"}, 812)
    assert words in found
    assert "db.service" in found


def test_no_restart_is_no_sentence_unless_something_triggers_the_unit() -> None:
    assert restart_sentence("db.service", {"Restart": "no", "MainPID": "812"}, 812) == ""
    triggered = {"Restart": "no", "MainPID": "812", "TriggeredBy": "db.socket"}
    assert "db.socket" in restart_sentence("db.service", triggered, 812)


def test_a_worker_of_a_unit_is_not_taken_for_its_main_process() -> None:
    found = restart_sentence("db.service", {"Restart": "always", "MainPID": "812"}, 900)
    assert found == "db.service goes on without it: its main process is 812"


async def test_a_supervising_parent_is_named() -> None:
    assert await who_restarts(2**22, 0, "supervisord", 70) == "supervisord (PID 70) starts it again"
    assert await who_restarts(2**22, 0, "bash", 70) == ""
