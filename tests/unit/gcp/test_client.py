"""Requests to Google: what is repeated, and what an error says."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import stamina

from tests.support.google.server import PROJECT, Google
from tests.support.google.tokens import TokenServer, token_server
from tukur.gcp.client import Client
from tukur.gcp.errors import AccessError, CloudError, QuotaError

NETWORKS = f"projects/{PROJECT}/global/networks"
NETWORK = {"name": "n", "autoCreateSubnetworks": False}


@pytest.fixture
def client(cloud: Google) -> Iterator[Client]:
    with Client(PROJECT) as made:
        yield made


def test_nothing_is_none_and_not_an_error(client: Client) -> None:
    assert client.read("compute", f"{NETWORKS}/n") is None


def test_the_pages_of_a_list_are_put_together(client: Client, cloud: Google) -> None:
    for name in ("a", "b"):
        client.change("POST", NETWORKS, {**NETWORK, "name": name})
    answer = cloud.compute.answer
    pages = iter(("next", None))

    def paged(call: object) -> dict[str, object]:
        token, found = next(pages), answer(call)  # type: ignore[arg-type]
        kept = found["items"][:1] if token else found["items"][1:]
        return {"items": kept} | ({"nextPageToken": token} if token else {})

    cloud.compute.answer = paged  # type: ignore[method-assign]
    assert [one["name"] for one in client.items(NETWORKS)] == ["a", "b"]
    assert cloud.calls[-1].query == {"pageToken": "next"}


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (429, "rateLimitExceeded"),
        (503, "backendError"),
        (403, "rateLimitExceeded"),
        (400, "resourceNotReady"),
        # It was switched on a moment ago.
        (403, "accessNotConfigured"),
    ],
)
def test_a_busy_google_is_asked_again(client: Client, cloud: Google, status: int, reason: str) -> None:
    cloud.fail("compute.networks.get", status, reason, times=2)
    assert client.read("compute", f"{NETWORKS}/n") is None
    assert len(cloud.calls) == 3


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (400, "invalid", CloudError),
        (401, "authError", AccessError),
        (403, "forbidden", AccessError),
        (403, "quotaExceeded", QuotaError),
        (409, "alreadyExists", CloudError),
    ],
)
def test_a_refusal_is_not_repeated_and_keeps_googles_words(
    client: Client, cloud: Google, status: int, reason: str, kind: type[CloudError]
) -> None:
    cloud.fail("compute.networks.get", status, reason, "Google's\nwords", times=5)
    with pytest.raises(CloudError) as caught:
        client.read("compute", f"{NETWORKS}/n")
    assert type(caught.value) is kind
    # The session asks for another token after a 401, which an anonymous one does not have.
    assert len(cloud.calls) <= (3 if status == 401 else 1)
    assert status == 401 or str(caught.value) == "Google's words"


def test_google_says_how_long_to_wait(client: Client, cloud: Google) -> None:
    cloud.fail("compute.networks.get", 429, "rateLimitExceeded", times=2, retry_after=0.15)
    with stamina.set_testing(False):
        start = time.monotonic()
        assert client.read("compute", f"{NETWORKS}/n") is None
    # Without the header the first two waits are a second each at least.
    assert 0.3 <= time.monotonic() - start < 0.9


def test_a_lost_answer_is_not_a_second_operation(client: Client, cloud: Google) -> None:
    handle, lost = cloud.compute.answer, iter((True, False))

    def lose(call: object) -> object:
        answer = handle(call)  # type: ignore[arg-type]
        if next(lost):
            raise ConnectionAbortedError
        return answer

    cloud.compute.answer = lose  # type: ignore[method-assign, assignment]
    client.change("POST", NETWORKS, NETWORK)
    first, second = (call.query["requestId"] for call in cloud.calls)
    assert first == second
    assert f"{NETWORKS}/n" in cloud.state.resources


def test_a_server_that_does_not_answer_is_one_line(client: Client, cloud: Google) -> None:
    cloud.cut_at(1, applied=False)
    with pytest.raises(CloudError, match=r"^127\.0\.0\.1:\d+ cannot be reached: "):
        client.change("POST", NETWORKS, NETWORK)


@pytest.fixture
def tokens(cloud: Google, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TokenServer]:
    """Credentials as google-auth finds them by itself: the key of a service account."""
    with token_server() as running:
        monkeypatch.delenv("CLOUDSDK_AUTH_DISABLE_CREDENTIALS")
        key = running.key_file(tmp_path / "key.json")
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
        cloud.token = running.token
        yield running


def test_the_default_credentials_are_used_and_requests_count_for_the_project(
    cloud: Google, tokens: TokenServer
) -> None:
    with Client(PROJECT) as client:
        assert client.read("compute", f"{NETWORKS}/n") is None
    assert tokens.given == 1
    assert cloud.calls[0].headers["authorization"] == f"Bearer {tokens.token}"
    # Some of Google's APIs refuse the requests of a person that count for no project.
    assert cloud.calls[0].headers["x-goog-user-project"] == PROJECT


def test_a_token_that_google_takes_no_longer_is_replaced_by_a_new_one(
    cloud: Google, tokens: TokenServer
) -> None:
    with Client(PROJECT) as client:
        client.read("compute", f"{NETWORKS}/n")
        cloud.token = tokens.token = "another"
        assert client.read("compute", f"{NETWORKS}/n") is None
    assert tokens.given == 2


def test_credentials_that_give_no_token_are_one_line(tokens: TokenServer) -> None:
    tokens.refused = True
    with (
        Client(PROJECT) as client,
        pytest.raises(AccessError, match="ran out or are not valid; sign in again"),
    ):
        client.read("compute", f"{NETWORKS}/n")


def test_a_file_of_credentials_that_is_damaged_is_one_line(tokens: TokenServer, tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text('{"type": "service_account"}', encoding="ascii")
    with pytest.raises(AccessError, match=r"^[^\n]+$"):
        Client(PROJECT)


def test_without_credentials_the_command_that_gets_some_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("CLOUDSDK_AUTH_DISABLE_CREDENTIALS", raising=False)
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    with pytest.raises(AccessError, match="gcloud auth application-default login"):
        Client(PROJECT)


def test_a_token_file_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", str(tmp_path / "none"))
    with pytest.raises(AccessError, match="none cannot be read: No such file"):
        Client(PROJECT)
