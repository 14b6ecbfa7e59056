"""What the command line does with a hub's accounts, and where a hub listens."""

import socket
from pathlib import Path

import pytest

from tests.support.hub import running_hub
from tukur.hub.auth.identity import Rights, Role
from tukur.hub.console.tokens import TokenConsole
from tukur.hub.console.users import UserConsole
from tukur.hub.errors import PortBusyError, ProblemError
from tukur.hub.serve import listen


async def test_a_link_and_a_token_made_beside_a_running_hub_let_in(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub, hub.client() as client:
        link = await UserConsole(tmp_path).sign_in_link()
        assert (await client.post("/api/session", json={"token": link})).status_code == 201
        token = await TokenConsole(tmp_path).create("ci", Rights(Role.OPERATOR), 1)
        async with hub.client(Authorization=f"Bearer {token}") as ci:
            assert (await ci.get("/api/session")).json()["role"] == "operator"
            assert [row.name for row in await TokenConsole(tmp_path).all()] == ["ci"]
            assert await TokenConsole(tmp_path).revoke("ci")
            assert not await TokenConsole(tmp_path).revoke("ci")
            assert (await ci.get("/api/session")).status_code == 401


async def test_a_link_is_for_the_owner_or_for_a_user_that_is_there(tmp_path: Path) -> None:
    await UserConsole(tmp_path).add("ada", Rights(Role.VIEWER))
    link = await UserConsole(tmp_path).sign_in_link("ada")
    with pytest.raises(ProblemError, match="there is no user 'nobody'"):
        await UserConsole(tmp_path).sign_in_link("nobody")
    async with running_hub(tmp_path) as hub, hub.client() as client:
        told = (await client.post("/api/session", json={"token": link})).json()
        assert (told["user"], told["role"]) == ("ada", "viewer")


async def test_a_name_that_is_taken_is_told(tmp_path: Path) -> None:
    await TokenConsole(tmp_path).create("ci", Rights(Role.VIEWER), 1)
    with pytest.raises(ValueError, match="a token named 'ci' already"):
        await TokenConsole(tmp_path).create("ci", Rights(Role.VIEWER), 1)


def test_a_port_that_is_taken_is_told_with_where_and_why() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortBusyError, match=f"cannot listen on 127.0.0.1 port {port}: Address already"):
            listen("127.0.0.1", port)
    with pytest.raises(PortBusyError, match="no-such-host"):
        listen("no-such-host.invalid", 0)
