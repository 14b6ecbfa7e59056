"""Google's keys: kept while they may be, fetched when Google rotates them, and not when strangers ask."""

from collections.abc import Iterator

import pytest

from tests.support.google.cloud import Cloud, cloud
from tests.support.google.identity import SigningKeys
from tests.support.google.metadata import CERTS
from tukur.hub.cloud.api import GoogleUnavailableError
from tukur.hub.cloud.certificates import REFETCH_S, GoogleKeys


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def around() -> Iterator[Cloud]:
    with cloud(SigningKeys()) as running:
        yield running


def fetches(around: Cloud) -> int:
    return around.metadata.requests.count(CERTS)


async def test_keys_are_kept_as_long_as_cache_control_says(around: Cloud) -> None:
    clock = Clock()
    keys = GoogleKeys(around.metadata.certs_url, clock)
    kid = str(around.metadata.keys.newest.kid)
    around.metadata.certs_max_age_s = 600
    assert await keys.key(kid) is not None
    clock.now += 599
    assert await keys.key(kid) is not None
    assert fetches(around) == 1
    clock.now += 2
    assert await keys.key(kid) is not None
    assert fetches(around) == 2


async def test_a_key_that_google_has_made_since_is_fetched_once_needed(around: Cloud) -> None:
    clock = Clock()
    keys = GoogleKeys(around.metadata.certs_url, clock)
    assert await keys.key(str(around.metadata.keys.newest.kid)) is not None
    around.metadata.keys.rotate()
    clock.now += REFETCH_S
    assert await keys.key(str(around.metadata.keys.newest.kid)) is not None
    assert fetches(around) == 2


async def test_strangers_with_unknown_keys_make_the_hub_ask_google_twice_a_minute_at_most(
    around: Cloud,
) -> None:
    clock = Clock()
    keys = GoogleKeys(around.metadata.certs_url, clock)
    for number in range(120):
        assert await keys.key(f"made up {number}") is None
        clock.now += 1
    assert fetches(around) <= 4


async def test_keys_outlive_an_outage_of_google(around: Cloud) -> None:
    clock = Clock()
    keys = GoogleKeys(around.metadata.certs_url, clock)
    kid = str(around.metadata.keys.newest.kid)
    assert await keys.key(kid) is not None
    around.metadata.certs_failing = 500
    clock.now += 100_000
    assert await keys.key(kid) is not None


async def test_a_hub_that_never_had_them_says_that_google_does_not_answer(around: Cloud) -> None:
    keys = GoogleKeys(around.metadata.certs_url, Clock())
    around.metadata.certs_failing = 500
    for _ in range(2):
        with pytest.raises(GoogleUnavailableError):
            await keys.key("any")
    assert fetches(around) == 1
