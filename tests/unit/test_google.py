"""The tests' Google: what it takes is what Google's discovery documents say."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.google.server import PROJECT, Google, google

COMPUTE = f"/compute/v1/projects/{PROJECT}"
REGION = f"{COMPUTE}/regions/europe-west1"


@pytest.fixture
def fake() -> Iterator[Google]:
    with google() as running:
        yield running


def ask(fake: Google, verb: str, path: str, body: object = None) -> tuple[int, Any]:
    content = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(fake.url + path, content, method=verb)
    try:
        with urllib.request.urlopen(asked) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"name": "n", "autoCreateSubnet": False}, "unknown field 'autoCreateSubnet'"),
        ({"name": "n", "autoCreateSubnetworks": "no"}, "found 'no', a value of type boolean expected"),
        ({"name": "n", "id": "1"}, "body.id is read only"),
        ({"name": "n", "routingConfig": {"routingMode": "LOCAL"}}, "one of GLOBAL, REGIONAL expected"),
        ({"name": "N!"}, "does not match"),
    ],
)
def test_a_body_that_the_document_does_not_allow_is_refused(fake: Google, body: object, wrong: str) -> None:
    status, answer = ask(fake, "POST", f"{COMPUTE}/global/networks", body)
    assert status == 400
    assert wrong in answer["error"]["message"]
    assert fake.calls == []


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("GET", f"{COMPUTE}/global/network/n"),
        ("PUT", f"{COMPUTE}/global/networks/n"),
        ("GET", f"{COMPUTE}/global/networks?maxResult=1"),
        ("GET", f"{COMPUTE}/global/networks?maxResults=many"),
    ],
)
def test_a_path_method_or_parameter_that_is_not_in_the_document_is_refused(
    fake: Google, verb: str, path: str
) -> None:
    status, _ = ask(fake, verb, path)
    assert status in (400, 404)
    assert len(fake.refused) == 1


def test_what_is_made_is_there_is_taken_and_cannot_go_while_it_is_used(fake: Google) -> None:
    network = {"name": "n", "autoCreateSubnetworks": False}
    assert ask(fake, "POST", f"{COMPUTE}/global/networks", network)[1]["status"] == "DONE"
    assert ask(fake, "POST", f"{COMPUTE}/global/networks", network)[0] == 409
    subnet = {"name": "s", "ipCidrRange": "10.0.0.0/24", "network": f"projects/{PROJECT}/global/networks/n"}
    assert ask(fake, "POST", f"{REGION}/subnetworks", {**subnet, "network": "global/networks/m"})[0] == 404
    assert ask(fake, "POST", f"{REGION}/subnetworks", subnet)[0] == 200
    status, answer = ask(fake, "DELETE", f"{COMPUTE}/global/networks/n")
    assert (status, answer["error"]["errors"][0]["reason"]) == (400, "resourceInUseByAnotherResource")
    assert ask(fake, "DELETE", f"{REGION}/subnetworks/s")[0] == 200
    assert ask(fake, "DELETE", f"{COMPUTE}/global/networks/n")[0] == 200
    assert ask(fake, "GET", f"{COMPUTE}/global/networks/n")[0] == 404


def test_an_operation_is_done_after_it_was_asked_for_as_often_as_the_test_says(fake: Google) -> None:
    fake.compute.polls = {"compute.networks.insert": 2}
    fake.compute.failures = {"compute.networks.insert": ("QUOTA_EXCEEDED", "Quota 'NETWORKS' exceeded.")}
    _, operation = ask(fake, "POST", f"{COMPUTE}/global/networks", {"name": "n"})
    assert operation["status"] == "RUNNING"
    path = f"{COMPUTE}/global/operations/{operation['name']}"
    assert ask(fake, "POST", f"{path}/wait")[1]["status"] == "RUNNING"
    done = ask(fake, "GET", path)[1]
    assert done["error"]["errors"][0]["code"] == "QUOTA_EXCEEDED"
    assert ask(fake, "GET", f"{COMPUTE}/global/networks/n")[0] == 404


def test_the_machines_of_a_group_are_those_that_a_test_adds_and_does_not_remove(fake: Google) -> None:
    group = fake.add_group("workers", size=1)
    second = fake.add_instance(group, name="workers-two", zone="europe-west1-c")
    path = f"{REGION}/instanceGroupManagers/workers/listManagedInstances"
    listed = ask(fake, "POST", path)[1]["managedInstances"]
    assert len(listed) == 2
    assert listed[1]["id"] == second["id"]
    assert listed[1]["instance"].endswith("/zones/europe-west1-c/instances/workers-two")
    fake.remove_instance(second)
    assert [one["id"] for one in ask(fake, "POST", path)[1]["managedInstances"]] == [listed[0]["id"]]
    assert ask(fake, "GET", f"{COMPUTE}/zones/europe-west1-c/instances/workers-two")[0] == 404


def test_calls_fail_as_the_test_says(fake: Google) -> None:
    fake.fail("compute.networks.*", 429, "rateLimitExceeded", skip=1, retry_after=0.5)
    path = f"{COMPUTE}/global/networks"
    assert [ask(fake, "GET", path)[0] for _ in range(3)] == [200, 429, 200]


@pytest.mark.parametrize("applied", [True, False])
def test_a_cut_loses_the_answer_or_the_request_and_all_that_follow(fake: Google, applied: bool) -> None:
    path = f"{COMPUTE}/global/networks"
    fake.cut_at(2, applied=applied)
    ask(fake, "POST", path, {"name": "first"})
    ask(fake, "GET", path)
    for _ in range(2):
        with pytest.raises(OSError, match=r"."):
            ask(fake, "POST", path, {"name": "n"})
    fake.revive()
    assert ask(fake, "GET", f"{path}/n")[0] == (200 if applied else 404)


def test_a_policy_that_changed_meanwhile_is_not_overwritten(fake: Google) -> None:
    path = f"/v3/projects/{PROJECT}"
    _, policy = ask(fake, "POST", f"{path}:getIamPolicy", {})
    binding = {"role": "roles/viewer", "members": ["user:a@example.org"]}
    changed = {"policy": {"bindings": [binding], "etag": policy["etag"]}}
    assert ask(fake, "POST", f"{path}:setIamPolicy", changed)[0] == 200
    assert ask(fake, "POST", f"{path}:setIamPolicy", changed)[0] == 409


def test_another_project_is_forbidden_and_an_api_that_is_off_says_so() -> None:
    with google(enabled=False) as fake:
        assert ask(fake, "GET", "/v1/projects/other/services")[0] == 403
        assert "disabled" in ask(fake, "GET", f"{COMPUTE}/global/networks")[1]["error"]["message"]
        names = f"names=projects/{PROJECT}/services/compute.googleapis.com"
        (service,) = ask(fake, "GET", f"/v1/projects/{PROJECT}/services:batchGet?{names}")[1]["services"]
        assert service["state"] == "DISABLED"
