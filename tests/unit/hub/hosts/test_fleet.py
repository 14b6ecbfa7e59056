"""What a person decides about hosts reaches their connections."""

import datetime
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.hub import HOST, KEYS, ORDER_KEY, OTHER, RunningHub, agent, connection, running_hub
from tests.support.waiting import until
from tukur.hub.console.hosts import HostConsole
from tukur.hub.tls import authority
from tukur.hub.tls.files import TlsFolder
from tukur.hub.tls.settings import TlsSettings
from tukur.protocol import auth, messages
from tukur.protocol.errors import ProtocolError


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[RunningHub]:
    async with running_hub(tmp_path) as running:
        yield running


async def test_revoking_a_host_ends_its_connection_at_once_and_lets_it_in_no_more(hub: RunningHub) -> None:
    async with agent(hub) as first, agent(hub, OTHER) as other, await hub.bearer("admin") as client:
        assert (await client.post(f"/api/hosts/{HOST}/revoke")).status_code == 204
        assert await first.ended(1) == 1008
        assert first.refused is not None
        assert first.refused.code == "revoked"
        assert hub.parts.presence.online(OTHER)
        async with connection(hub) as again:
            await again.ended()
            assert again.refused is not None
            assert again.refused.code == "revoked"
        hosts = {host["host_id"]: host for host in (await client.get("/api/hosts")).json()["hosts"]}
        assert (hosts[HOST]["revoked"], hosts[HOST]["online"]) == (True, False)
        assert not hosts[OTHER]["revoked"]
        assert other.refused is None


async def test_that_a_host_is_revoked_is_told_to_nobody_but_its_key(hub: RunningHub) -> None:
    await hub.parts.fleet.revoke(HOST)
    async with connection(hub, key=auth.new_key()) as stranger:
        await stranger.ended()
    assert isinstance(stranger.refused, ProtocolError)
    assert stranger.refused.code == "not_admitted"


async def test_a_host_that_a_command_revoked_goes_when_the_hub_is_poked(hub: RunningHub) -> None:
    async with agent(hub) as first:
        assert await HostConsole(hub.parts.settings.data_dir).revoke(HOST)
        hub.parts.fleet.wake()
        await first.ended(2)
        await until(lambda: not hub.parts.presence.online(HOST))


async def test_a_host_enrolled_again_at_the_hubs_start_stays_revoked(tmp_path: Path) -> None:
    for _ in range(2):
        async with running_hub(tmp_path) as hub:
            await hub.parts.fleet.revoke(HOST)
    async with running_hub(tmp_path) as hub, connection(hub) as refused:
        await refused.ended()
        assert refused.refused is not None


async def test_a_host_gets_another_name_which_its_next_start_leaves(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub, await hub.bearer("admin") as client:
        answer = await client.patch(f"/api/hosts/{HOST}", json={"name": "señor owl"})
        assert answer.json()["name"] == "señor owl"
        assert (await client.patch(f"/api/hosts/{HOST}", json={"name": ""})).status_code == 400
        assert (await client.patch("/api/hosts/nobody", json={"name": "x"})).status_code == 404
        assert (await client.post("/api/hosts/nobody/revoke")).status_code == 404
    async with running_hub(tmp_path) as hub:
        assert [row.name for row in await hub.parts.store.hosts(HOST)] == ["señor owl"]


async def test_connected_agents_are_told_of_a_new_authority_by_the_order_key(tmp_path: Path) -> None:
    async with running_hub(tmp_path, tls=TlsSettings(own_authority=True)) as hub, agent(hub) as scripted:
        first = await scripted.hear(messages.Authorities)
        assert len(first.certificates) == 1
        files = TlsFolder(tmp_path)
        now = datetime.datetime.now(datetime.UTC)
        new = authority.next_authority(files.authority(now), now)
        files.save(new)
        hub.parts.fleet.wake()
        told = await scripted.hear(messages.Authorities)
        assert told.certificates == [authority.der(root) for root in new.roots]
        text = auth.authorities_text(HOST, told.certificates)
        order_key = auth.public_key(ORDER_KEY)
        assert auth.verify(order_key, text, told.signature)
        assert KEYS[HOST] != ORDER_KEY
