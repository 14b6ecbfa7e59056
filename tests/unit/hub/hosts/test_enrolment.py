"""Machines that join over real TLS, and whoever stands between them and the hub."""

import asyncio
import ssl
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from websockets.asyncio.client import connect

from tests.support.certificates import make_authority, sign
from tests.support.hub import HOST, KEYS, ORDER_KEY, RunningHub, running_hub
from tests.support.record import facts_of
from tests.support.tls_relay import tls_relay
from tukur.agent.joining.identity import Identity, JoinedFile
from tukur.agent.joining.join import UnreachableError, UntrustedError, join, rotate
from tukur.agent.joining.trust import parse_pem, seen, tls_options
from tukur.hub.console.tokens import JoinTokenConsole
from tukur.hub.tls.authority import fingerprint
from tukur.hub.tls.settings import TlsSettings
from tukur.protocol import auth
from tukur.protocol.agent_side import AgentSession
from tukur.protocol.errors import ProtocolError
from tukur.protocol.join_token import JoinToken

OWN = TlsSettings(own_authority=True)


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[RunningHub]:
    async with running_hub(tmp_path / "hub", tls=OWN) as running:
        yield running


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hub").mkdir()
    (tmp_path / "agent").mkdir()
    return tmp_path / "agent"


async def token(hub: RunningHub, uses: int = 1, seconds: int = 60, label: str = "one") -> JoinToken:
    roots = hub.parts.tls.roots
    authority = fingerprint(roots[0]) if roots else None
    text = await JoinTokenConsole(hub.parts.settings.data_dir).create(label, uses, seconds, authority)
    return JoinToken.parse(text)


async def admitted(uri: str, identity: Identity, *, key: bytes = b"", claimed: bytes | None = None) -> Any:
    """What the hub answers to this identity's hello; `claimed`: the certificate that it says to have seen."""
    async with connect(uri, proxy=None, **tls_options(uri, identity.trust)) as socket:
        certificate = seen(socket) if claimed is None else claimed
        session = AgentSession(identity.host_id, key or identity.key, facts_of(), certificate=certificate)
        while not session.open:
            data = await socket.recv()
            assert isinstance(data, bytes)
            _, answer = session.receive(data)
            if answer:
                await socket.send(answer)
        following = await socket.recv()
        assert isinstance(following, bytes)
        return session.receive(following)[0]


async def test_a_machine_with_a_token_becomes_a_host_that_is_let_in(hub: RunningHub) -> None:
    identity = await join(hub.url, await token(hub), "owl")
    assert identity.order_key == auth.public_key(ORDER_KEY)
    assert [row.name for row in await hub.parts.store.hosts(identity.host_id)] == ["owl"]
    told = await admitted(f"wss://127.0.0.1:{hub.port}/agent", identity)
    assert told.certificates == identity.authorities


async def test_the_hub_keeps_nothing_of_the_token_or_the_key_but_hash_and_public_half(
    hub: RunningHub, folder: Path
) -> None:
    made = await token(hub)
    identity = await join(hub.url, made, "owl")
    JoinedFile(folder).save(identity)
    assert stat.S_IMODE((folder / "joined.json").stat().st_mode) == 0o600
    kept = b"".join(path.read_bytes() for path in hub.parts.settings.data_dir.rglob("*") if path.is_file())
    assert auth.public_key(identity.key) in kept
    for secret in (identity.key, made.secret):
        assert secret not in kept
    assert made.secret not in (folder / "joined.json").read_bytes()


async def test_two_that_come_at_once_for_one_use_are_one_host_and_one_refusal(hub: RunningHub) -> None:
    made = await token(hub)
    results = await asyncio.gather(*(join(hub.url, made, f"h{n}") for n in range(2)), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["Identity", "ProtocolError"]
    (refused,) = [result for result in results if isinstance(result, ProtocolError)]
    assert refused.code == "token_used_up"


async def test_a_token_that_expired_or_is_unknown_is_refused_by_its_reason(hub: RunningHub) -> None:
    expired = await token(hub, seconds=0)
    unknown = JoinToken(bytes(24), expired.authority)
    for made, code in ((expired, "token_expired"), (unknown, "token_unknown")):
        with pytest.raises(ProtocolError) as refused:
            await join(hub.url, made, "owl")
        assert refused.value.code == code


async def test_who_guesses_tokens_must_wait(hub: RunningHub) -> None:
    good = await token(hub)
    for number in range(10):
        with pytest.raises(ProtocolError):
            await join(hub.url, JoinToken(bytes([number]) * 24, good.authority), "owl")
    with pytest.raises(ProtocolError) as refused:
        await join(hub.url, good, "owl")
    assert refused.value.code == "too_many_tries"


async def test_a_stranger_between_hears_nothing_of_the_token(hub: RunningHub, tmp_path: Path) -> None:
    make_authority(tmp_path)
    certificate, key = sign(tmp_path, "stranger", "IP:127.0.0.1")
    made = await token(hub)
    async with tls_relay(hub.port, certificate, key) as port:
        # The relay passes the hub's own authority on, so that the first step succeeds; the second cannot.
        with pytest.raises(UntrustedError, match="not to be trusted"):
            await join(f"https://127.0.0.1:{port}", made, "owl")
    assert (await hub.parts.store.control.enrolments.tokens())[0].uses_left == 1


async def test_another_hub_than_that_of_the_token_is_told_by_its_fingerprint(
    hub: RunningHub, tmp_path: Path
) -> None:
    other = JoinToken(bytes(24), bytes(32))
    with pytest.raises(UntrustedError, match=fingerprint(hub.parts.tls.roots[0]).hex()):
        await join(hub.url, other, "owl")


async def test_a_hub_that_does_not_answer_or_is_called_otherwise_is_told(hub: RunningHub) -> None:
    made = await token(hub)
    with pytest.raises(UnreachableError, match="cannot be reached"):
        await join("https://127.0.0.1:9", made, "owl")
    with pytest.raises(UnreachableError, match=r"not called 127\.1"):
        await join(f"https://127.1:{hub.port}", made, "owl")


async def test_an_agent_takes_no_other_certificate_than_its_hubs(hub: RunningHub, tmp_path: Path) -> None:
    make_authority(tmp_path)
    certificate, key = sign(tmp_path, "stranger", "IP:127.0.0.1")
    identity = await join(hub.url, await token(hub), "owl")
    async with tls_relay(hub.port, certificate, key) as port:
        with pytest.raises(OSError, match="certificate verify failed"):
            await admitted(f"wss://127.0.0.1:{port}/agent", identity)


@pytest.fixture
async def public(tmp_path: Path) -> AsyncIterator[RunningHub]:
    """A hub with a certificate of an authority that signs for others too, as a public one does."""
    make_authority(tmp_path)
    certificate, key = sign(tmp_path, "hub", "IP:127.0.0.1")
    async with running_hub(tmp_path / "hub", tls=TlsSettings(certificate=certificate, key=key)) as running:
        yield running


def enrolled(hub: RunningHub, authority: Path) -> Identity:
    """The identity of a host that trusts such an authority."""
    return Identity(
        hub=hub.url,
        host_id=HOST,
        key=KEYS[HOST],
        order_key=auth.public_key(ORDER_KEY),
        authorities=parse_pem(authority.read_text()),
    )


async def test_a_proof_cannot_be_passed_on_through_a_certificate_that_is_not_the_hubs(
    public: RunningHub, tmp_path: Path
) -> None:
    identity = enrolled(public, tmp_path / "ca.pem")
    certificate, key = sign(tmp_path, "stranger", "IP:127.0.0.1")
    async with tls_relay(public.port, certificate, key) as port:
        # The agent believes the stranger: its certificate is good. The hub does not.
        with pytest.raises(ProtocolError) as refused:
            await admitted(f"wss://127.0.0.1:{port}/agent", identity)
        assert refused.value.code == "not_this_hub"


async def test_a_proof_made_for_one_certificate_is_none_for_another(
    public: RunningHub, tmp_path: Path
) -> None:
    identity = enrolled(public, tmp_path / "ca.pem")
    uri = f"wss://127.0.0.1:{public.port}/agent"
    with pytest.raises(ProtocolError) as refused:
        await admitted(uri, identity, claimed=b"")
    assert refused.value.code == "not_this_hub"
    state = public.parts.presence.get(HOST)
    assert state is None


async def test_where_the_systems_authorities_are_trusted_none_are_handed_out(
    public: RunningHub, tmp_path: Path
) -> None:
    async with httpx.AsyncClient(verify=ssl.create_default_context(cafile=tmp_path / "ca.pem")) as client:
        assert (await client.get(f"{public.url}/ca.pem")).status_code == 404
    made = await token(public)
    assert made.authority is None
    with pytest.raises(UntrustedError, match="not to be trusted"):
        # This system's authorities do not know the tests' own.
        await join(public.url, made, "owl")


async def test_behind_a_proxy_the_proofs_that_it_passes_on_count_and_no_others(tmp_path: Path) -> None:
    make_authority(tmp_path)
    proxy = sign(tmp_path, "proxy", "IP:127.0.0.1")
    stranger = sign(tmp_path, "stranger", "IP:127.0.0.1")
    behind = TlsSettings(proxy_certificate=proxy[0], ca=tmp_path / "ca.pem")
    async with running_hub(tmp_path / "hub", tls=behind) as hub:
        made = await token(hub)
        async with tls_relay(hub.port, *proxy, plain=True) as port:
            identity = await join(f"https://127.0.0.1:{port}", made, "owl")
            await admitted(f"wss://127.0.0.1:{port}/agent", identity)
        async with tls_relay(hub.port, *stranger, plain=True) as port:
            with pytest.raises(ProtocolError) as refused:
                await admitted(f"wss://127.0.0.1:{port}/agent", identity)
            assert refused.value.code == "not_this_hub"


async def test_a_new_key_opens_and_the_old_one_does_not(hub: RunningHub, folder: Path) -> None:
    file = JoinedFile(folder)
    file.save(await join(hub.url, await token(hub), "owl"))
    old = file.load()
    await rotate(file)
    new = file.load()
    assert new.key != old.key
    assert new.next_key == b""
    uri = f"wss://127.0.0.1:{hub.port}/agent"
    await admitted(uri, new)
    with pytest.raises(ProtocolError) as refused:
        await admitted(uri, old)
    assert refused.value.code == "not_admitted"


async def test_a_rotation_whose_answer_was_lost_is_finished_by_the_next_try(
    hub: RunningHub, folder: Path
) -> None:
    file = JoinedFile(folder)
    file.save(await join(hub.url, await token(hub), "owl"))
    before = file.load()
    await rotate(file)
    after = file.load()
    # As the file would be, had the command died before it had the answer.
    file.save(msgspec.structs.replace(before, next_key=after.key))
    await rotate(file)
    assert file.load() == after


async def test_nobody_rotates_the_key_of_a_host_without_its_old_one(hub: RunningHub, folder: Path) -> None:
    file = JoinedFile(folder)
    identity = await join(hub.url, await token(hub), "owl")
    file.save(msgspec.structs.replace(identity, key=auth.new_key()))
    with pytest.raises(ProtocolError) as refused:
        await rotate(file)
    assert refused.value.code == "not_admitted"
    await admitted(f"wss://127.0.0.1:{hub.port}/agent", identity)


async def test_the_session_cookie_is_sent_over_tls_only(hub: RunningHub) -> None:
    link = await hub.parts.auth.new_link()
    verify = ssl.create_default_context(cafile=hub.parts.settings.data_dir / "tls" / "ca.pem")
    async with httpx.AsyncClient(verify=verify, headers={"Origin": hub.url}) as browser:
        answer = await browser.post(f"{hub.url}/api/session", json={"token": link})
        assert (await browser.get(f"{hub.url}/api/session")).status_code == 200
    assert answer.status_code == 201
    session = next(c for c in answer.headers.get_list("set-cookie") if "tukur_session=" in c)
    assert session.startswith("__Host-tukur_session=")
    assert all("secure" in cookie.lower() for cookie in answer.headers.get_list("set-cookie"))


async def test_a_renewed_certificate_is_shown_to_the_next_connection_without_a_restart(
    hub: RunningHub, folder: Path
) -> None:
    identity = await join(hub.url, await token(hub), "owl")
    uri = f"wss://127.0.0.1:{hub.port}/agent"

    async def shown() -> bytes:
        async with connect(uri, proxy=None, **tls_options(uri, identity.trust)) as socket:
            return seen(socket)

    first = await shown()
    (hub.parts.settings.data_dir / "tls" / "server.pem").unlink()
    assert hub.parts.tls.refresh()
    second = await shown()
    assert first != second
    assert hub.parts.tls.accepted == {first, second}
