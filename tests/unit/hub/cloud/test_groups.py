"""What an instance group has: asked once for all, held to Google's own discovery document."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.support.google.cloud import GROUP, Cloud, cloud
from tests.support.google.metadata import ACCESS_TOKEN
from tukur.hub.cloud.api import GoogleApi, GoogleUnavailableError
from tukur.hub.cloud.groups import Groups

LIST = "compute.regionInstanceGroupManagers.listManagedInstances"


@pytest.fixture
def around() -> Iterator[Cloud]:
    with cloud() as running:
        yield running


def groups(around: Cloud) -> Groups:
    return Groups(around.settings, GoogleApi())


async def test_a_machine_is_found_in_its_group_by_its_number(around: Cloud) -> None:
    around.google.token = ACCESS_TOKEN
    around.add("web-aaaa")
    one = around.add("web-bbbb")
    found = await groups(around).group_of(one["id"])
    assert found is not None
    group, managed = found
    assert (group, managed.own_name, managed.instance_status) == (GROUP, "web-bbbb", "RUNNING")
    assert around.google.refused == []


async def test_a_machine_outside_of_the_group_is_in_none(around: Cloud) -> None:
    around.add()
    assert await groups(around).group_of("4711") is None


async def test_a_hundred_machines_that_ask_at_once_cost_one_request(around: Cloud) -> None:
    ids = [around.add()["id"] for _ in range(100)]
    asked = groups(around)
    found = await asyncio.gather(*(asked.group_of(one) for one in ids))
    assert all(found)
    assert [call.id for call in around.google.calls] == [LIST]


async def test_a_group_that_was_deleted_has_no_machines(around: Cloud) -> None:
    there = await groups(around).members("regions/europe-west1/instanceGroupManagers/another")
    assert there.by_id == {}


@pytest.mark.parametrize("status", [403, 429, 500, 503])
async def test_an_answer_that_is_none_says_nothing_of_the_machines(around: Cloud, status: int) -> None:
    around.add()
    around.google.fail(LIST, status, "backendError", "try again later")
    with pytest.raises(GoogleUnavailableError, match=f"answers {status}: try again later"):
        await groups(around).members(GROUP)


async def test_a_page_that_is_not_the_apis_is_no_empty_group(around: Cloud) -> None:
    # The metadata server's 404 is HTML, as a proxy's would be.
    settings = around.settings
    elsewhere = type(settings)(
        settings.project, settings.groups, compute_url=f"http://{around.metadata.address}/compute/v1"
    )
    with pytest.raises(GoogleUnavailableError):
        await Groups(elsewhere, GoogleApi()).members(GROUP)


async def test_without_the_metadata_server_there_is_no_token_to_ask_with(around: Cloud) -> None:
    around.metadata.failing = 503
    with pytest.raises(GoogleUnavailableError, match="no access token"):
        await groups(around).members(GROUP)
    assert around.google.calls == []


async def test_a_token_is_fetched_once_and_again_before_it_expires(around: Cloud) -> None:
    now = 0.0
    asked = Groups(around.settings, GoogleApi(lambda: now))
    for now in (0.0, 3000.0, 3400.0):  # noqa: B007 - the clock reads it
        await asked.members(GROUP)
    assert len(around.metadata.requests) == 2


async def test_a_token_that_is_refused_is_not_used_again(around: Cloud) -> None:
    asked = groups(around)
    await asked.members(GROUP)
    around.google.token = "another"
    with pytest.raises(GoogleUnavailableError, match="401"):
        await asked.members(GROUP)
    around.google.token = ACCESS_TOKEN
    await asked.members(GROUP)
    assert len(around.metadata.requests) == 2
