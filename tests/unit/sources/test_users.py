"""Names of users, of a file and of a directory service that hangs and fails."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.directory import Directory
from tests.support.waiting import eventually
from tukur.sources import users as module
from tukur.sources.users import Users, look_up, parse_passwd

PASSWD = "root:x:0:0:root:/root:/bin/sh\nana:x:7:7::/:/bin/sh\nother:x:7:7::/:/bin/sh\n+::::::\n"


@pytest.fixture
def passwd(tmp_path: Path) -> Path:
    file = tmp_path / "passwd"
    file.write_text(PASSWD)
    return file


class Service:
    """Answers what it is told to: a name, None, or an error that is raised."""

    def __init__(self) -> None:
        self.answers: dict[int, str | OSError | None] = {}
        self.asked: list[int] = []

    def __call__(self, uid: int) -> str | None:
        self.asked.append(uid)
        answer = self.answers.get(uid)
        if isinstance(answer, OSError):
            raise answer
        return answer


def test_names_of_the_file_are_known_at_once_and_the_first_of_a_uid_counts(passwd: Path) -> None:
    service = Service()
    users = Users(passwd, service)
    assert [users.name(uid) for uid in (0, 7)] == ["root", "ana"]
    assert users.resolve([0, 7], 0) == {0: "root", 7: "ana"}
    assert service.asked == []


def test_a_user_who_is_renamed_in_the_file_is_told_by_the_new_name(passwd: Path) -> None:
    users = Users(passwd, Service())
    users.name(7)
    passwd.write_text(PASSWD.replace("ana", "eva"))
    os.utime(passwd, ns=(1, 1))
    assert users.new_names() == {7: "eva"}
    assert users.name(7) == "eva"
    assert users.new_names() == {}


@given(st.binary())
def test_no_passwd_is_too_odd_to_parse(content: bytes) -> None:
    assert all(isinstance(name, str) for name in parse_passwd(content).values())


def test_a_name_of_the_service_arrives_later_and_its_number_stands_meanwhile(passwd: Path) -> None:
    service = Service()
    service.answers[70020] = "dir-user"
    users = Users(passwd, service)
    assert users.name(70020) == "70020"
    assert eventually(users.new_names, 5) == {70020: "dir-user"}
    assert users.name(70020) == "dir-user"
    assert users.slow() == 0


def test_a_service_that_was_away_is_asked_again_and_shown_as_a_fault_until_it_answers(
    passwd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_RETRY_S", (0.05, 0.1))
    service = Service()
    service.answers[70020] = OSError(11, "away")
    users = Users(passwd, service)
    assert users.name(70020) == "70020"
    eventually(lambda: users.new_names() or len(service.asked) >= 3, 5, "it is asked again and again")
    assert users.slow() == 1
    assert users.resolve([70020], 5) == {70020: None}
    service.answers[70020] = "dir-user"
    assert eventually(users.new_names, 5) == {70020: "dir-user"}
    assert users.slow() == 0


def test_a_known_name_is_refreshed_and_outlives_a_service_that_forgets_it(
    passwd: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_REFRESH_S", 0.05)
    monkeypatch.setattr(module, "_RETRY_S", (0.05, 0.1))
    service = Service()
    service.answers[70020] = "before"
    users = Users(passwd, service)
    assert users.resolve([70020], 5) == {70020: "before"}
    users.new_names()
    service.answers[70020] = "after"
    assert eventually(users.new_names, 5) == {70020: "after"}
    service.answers[70020] = None
    asked = len(service.asked)
    eventually(lambda: users.new_names() or len(service.asked) > asked + 1, 5, "it is asked again")
    assert users.name(70020) == "after"


def test_who_has_no_name_anywhere_resolves_to_the_number(passwd: Path) -> None:
    assert Users(passwd, Service()).resolve([70020], 5) == {70020: "70020"}


def inside(directory: Directory, code: str) -> str:
    command = directory.command([sys.executable, "-c", code])
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def test_the_systems_services_tell_a_name_a_failure_and_that_there_is_none(tmp_path: Path) -> None:
    assert (look_up(0), look_up(4_000_000_000)) == ("root", None)
    directory = Directory(tmp_path)
    show = "from tukur.sources.users import look_up\nfor uid in (0, 70020, 60):\n  print(look_up(uid))"
    assert inside(directory, show).split() == ["root", "dir-user-70020", "None"]
    directory.down(on=True)
    assert "failed 11" in inside(
        directory,
        "from tukur.sources.users import look_up\n"
        "try: look_up(70020)\nexcept OSError as e: print('failed', e.errno)",
    )


def test_a_service_that_hangs_keeps_nobody_waiting_longer_than_asked(tmp_path: Path) -> None:
    directory = Directory(tmp_path)
    directory.hang(on=True)
    code = """
import time
from tukur.sources.users import Users
users, began = Users(), time.monotonic()
names = [users.name(uid) for uid in (0, *range(70000, 70100))]
resolved = users.resolve([0, 70500], 0.2)
print(names[:2], resolved, time.monotonic() - began < 1.5)
while users.slow() < 4: users.new_names()
print("slow", users.slow())
"""
    began = time.monotonic()
    out = inside(directory, code)
    # It hangs still: the threads that wait for it keep no program from ending.
    assert out.splitlines() == ["['root', '70000'] {0: 'root', 70500: None} True", "slow 4"], out
    assert time.monotonic() - began < 30


def test_many_users_do_not_make_it_grow_without_end(passwd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_USERS", 10)
    look: Callable[[int], str | None] = Service()
    users = Users(passwd, look)
    for uid in range(100, 150):
        users.name(uid)
    assert len(users._users) <= 10
