"""Users from the command line, beside a running hub."""

import contextlib
from collections.abc import Iterator

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.support.running import Up, running, the_host, tukur

PASSWORD = "four owls on a wire"


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with running(tmp_path_factory.mktemp("users") / "data", "--monitor-only") as started:
        yield started


def user(up: Up, *words: str) -> tuple[int, str]:
    """(exit code, what was said)."""
    done = tukur("user", *words, "--data", str(up.data))
    return done.returncode, done.stdout + done.stderr


def test_a_user_is_made_changed_and_removed(up: Up) -> None:
    code, link = user(up, "add", "ada", "--group", "web", "operator")
    assert (code, link.startswith(f"{up.url}/sign-in#token=")) == (0, True)
    with contextlib.closing(up.sign_in_by(link)) as client:
        assert client.get("/api/session").json()["grants"] == {"web": "operator"}
        assert client.put("/api/account/password", json={"new": PASSWORD}).status_code == 204
        assert user(up, "role", "ada", "viewer") == (0, "")
        told = client.get("/api/session").json()
        assert (told["role"], told["grants"]) == ("viewer", {})
        assert "ada\tviewer\tpassword" in user(up, "list")[1]
        code, link = user(up, "reset", "ada")
        assert code == 0
        assert client.get("/api/session").status_code == 401
    with contextlib.closing(up.sign_in_by(link)) as client:
        assert user(up, "remove", "ada") == (0, "")
        assert client.get("/api/session").status_code == 401


def test_disabling_a_user_ends_what_it_watches_at_once(up: Up) -> None:
    link = user(up, "add", "ben")[1]
    with contextlib.closing(up.sign_in_by(link)) as client:
        host_id = the_host(client)["host_id"]
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        url = f"{up.url.replace('http', 'ws', 1)}/api/live/{host_id}"
        headers = {"Cookie": cookie, "Origin": up.url}
        with connect(url, additional_headers=headers, proxy=None) as socket:
            socket.recv(timeout=5)
            assert user(up, "disable", "ben") == (0, "")
            with pytest.raises(ConnectionClosed) as raised:
                while True:
                    socket.recv(timeout=4)
            assert raised.value.rcvd is not None
            assert raised.value.rcvd.code == 4401
        assert "ben\tviewer\tdisabled" in user(up, "list")[1]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("remove", "admin"), 1, "last administrator"),
        (("role", "admin", "viewer"), 1, "last administrator"),
        (("disable", "nobody"), 1, "there is no user 'nobody'"),
        (("add", "local:root"), 2, "user 'local:root'"),
        (("add", "ada", "--group", "No Group", "viewer"), 2, "group 'No Group'"),
        (("add", "ada", "--group", "web", "root"), 2, "role 'root'"),
        (("role", "admin", "none"), 2, "has no role"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(up: Up, words: tuple[str, ...], code: int, said: str) -> None:
    found, told = user(up, *words)
    assert (found, said in told, told.count("\n")) == (code, True, 1), told
