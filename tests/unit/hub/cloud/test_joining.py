"""Virtual machines that join a real hub by their identity: who may, and what the others hear."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.google.cloud import GROUP, Cloud
from tests.support.google.identity import Instance
from tests.support.hub import RunningHub, running_hub
from tukur.agent.joining import google
from tukur.agent.joining import join as joining
from tukur.agent.joining.google import MetadataError
from tukur.agent.joining.join import join
from tukur.hub.models.audit import Entry
from tukur.hub.store.control.audit import AuditQuery
from tukur.protocol import auth, enrol_side, messages
from tukur.protocol.errors import ProtocolError
from tukur.protocol.join_token import JoinToken

GOOGLE = JoinToken(b"", None)
"""The token of a hub without TLS, within this machine."""
LIST = "compute.regionInstanceGroupManagers.listManagedInstances"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No second try, unless the test wants one."""
    monkeypatch.setattr(joining, "RETRY_S", 0.0)


async def entries(hub: RunningHub) -> list[Entry]:
    """What the audit log says of joins, the newest first."""
    return [one for one in await hub.parts.audit.find(AuditQuery(), 100) if one.action == "host.join"]


async def refused(hub: RunningHub, code: str, reason: str) -> None:
    """A join that the agent hears `code` of, and the audit log the reason."""
    with pytest.raises(ProtocolError) as error:
        await join(hub.url, GOOGLE, "owl")
    newest = (await entries(hub))[0]
    assert (error.value.code, newest.result) == (code, reason)
    assert json.loads(newest.detail)["why"]
    assert reason == code or reason not in error.value.detail


async def test_a_machine_of_the_group_becomes_a_host_that_knows_what_it_is(
    hub: RunningHub, around: Cloud
) -> None:
    made = around.add("web-aaaa")
    identity = await join(hub.url, GOOGLE, "owl")
    (row,) = await hub.parts.store.hosts(identity.host_id)
    assert row.name == "web-aaaa"
    assert row.instance is not None
    assert (row.instance.instance_id, row.instance.group) == (made["id"], GROUP)
    assert row.instance.zone == made["zone"].rpartition("/")[2]
    (entry,) = await entries(hub)
    assert (entry.result, entry.target) == ("done", identity.host_id)
    assert json.loads(entry.detail)["instance_id"] == made["id"]


async def test_a_machine_outside_of_the_group_is_refused(hub: RunningHub, around: Cloud) -> None:
    around.add()
    around.metadata.instance = Instance("4711", "stranger")
    await refused(hub, "identity_refused", "not_in_group")


async def test_a_machine_that_is_being_deleted_is_refused(hub: RunningHub, around: Cloud) -> None:
    around.says(around.add(), "RUNNING", "DELETING")
    await refused(hub, "identity_refused", "not_in_group")


async def test_a_machine_of_another_project_is_refused_before_any_group_is_asked(
    hub: RunningHub, around: Cloud
) -> None:
    around.metadata.instance = Instance("4711", "web-aaaa", project="another-project")
    await refused(hub, "identity_refused", "token_project")
    assert around.google.calls == []


async def test_a_second_key_for_the_same_machine_is_refused_and_a_recreated_machine_is_not(
    hub: RunningHub, around: Cloud
) -> None:
    made = around.add("web-aaaa")
    first = await join(hub.url, GOOGLE, "owl")
    await refused(hub, "identity_refused", "instance_joined")
    around.google.remove_instance(made)
    around.add("web-aaaa")
    second = await join(hub.url, GOOGLE, "owl")
    assert second.host_id != first.host_id
    assert [row.name for row in await hub.parts.store.hosts()].count("web-aaaa") == 2


async def test_of_two_keys_that_come_at_once_for_one_machine_one_is_let_in(
    hub: RunningHub, around: Cloud
) -> None:
    around.add()
    found = await asyncio.gather(*(join(hub.url, GOOGLE, "owl") for _ in range(5)), return_exceptions=True)
    assert sum(not isinstance(one, BaseException) for one in found) == 1
    assert {one.code for one in found if isinstance(one, ProtocolError)} == {"identity_refused"}


async def test_a_token_that_was_seen_on_one_connection_is_none_on_another(
    hub: RunningHub, around: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    around.add()
    seen: list[str] = []
    real = google.identity_token

    async def overheard(audience: str) -> str:
        seen.append(await real(audience))
        return seen[0]

    monkeypatch.setattr(joining, "identity_token", overheard)
    await join(hub.url, GOOGLE, "owl")
    await refused(hub, "identity_refused", "token_audience")


async def test_a_token_shown_with_another_key_than_that_which_signed_is_refused(
    hub: RunningHub, around: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    around.add()

    def with_a_strangers_key(challenge: messages.Challenge, **rest: Any) -> bytes:
        first = messages.from_agent.decode(enrol_side_join(challenge, **rest)[1:])
        assert isinstance(first, messages.InstanceJoin)
        stranger = auth.public_key(auth.new_key())
        changed = {name: getattr(first, name) for name in first.__struct_fields__} | {"public_key": stranger}
        return messages.TYPED + messages.encoder.encode(messages.InstanceJoin(**changed))

    enrol_side_join = enrol_side.instance_join
    monkeypatch.setattr(enrol_side, "instance_join", with_a_strangers_key)
    with pytest.raises(ProtocolError) as error:
        await join(hub.url, GOOGLE, "owl")
    assert error.value.code == "bad_signature"


async def test_who_tries_again_and_again_must_wait(hub: RunningHub, around: Cloud) -> None:
    around.metadata.instance = Instance("4711", "stranger")
    for _ in range(10):
        await refused(hub, "identity_refused", "not_in_group")
    with pytest.raises(ProtocolError) as error:
        await join(hub.url, GOOGLE, "owl")
    assert error.value.code == "too_many_tries"


async def test_while_google_does_not_answer_a_machine_is_neither_let_in_nor_blamed(
    hub: RunningHub, around: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    around.add()
    around.google.fail(LIST, 503, "backendError")
    await refused(hub, "google_unavailable", "google_unavailable")
    # The agent tries again by itself, with the same key.
    monkeypatch.setattr(joining, "RETRY_S", 20.0)
    identity = await join(hub.url, GOOGLE, "owl")
    assert (await entries(hub))[0].target == identity.host_id


async def test_a_join_whose_answer_was_lost_is_answered_again_to_the_same_key(
    hub: RunningHub, around: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    around.add()
    monkeypatch.setattr(joining, "RETRY_S", 20.0)
    real = joining._exchange
    answers: list[messages.FromHub] = []

    async def lossy(*arguments: Any) -> messages.FromHub:
        answers.append(await real(*arguments))
        if len(answers) == 1:
            raise joining.UnreachableError("the answer was lost")
        return answers[-1]

    monkeypatch.setattr(joining, "_exchange", lossy)
    identity = await join(hub.url, GOOGLE, "owl")
    assert answers[0] == answers[1]
    assert len([row for row in await hub.parts.store.hosts() if row.instance]) == 1
    assert identity.host_id in [row.host_id for row in await hub.parts.store.hosts()]


async def test_a_hub_without_a_project_lets_no_machine_in_by_its_identity(
    tmp_path: Path, around: Cloud
) -> None:
    around.add()
    async with running_hub(tmp_path / "plain") as plain:
        await refused(plain, "identity_refused", "google_off")


async def test_a_machine_without_a_metadata_server_says_so(hub: RunningHub, around: Cloud) -> None:
    around.metadata.failing = 404
    with pytest.raises(MetadataError, match="the metadata server answers 404"):
        await join(hub.url, GOOGLE, "owl")
