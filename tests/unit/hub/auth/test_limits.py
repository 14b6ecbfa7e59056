"""The brake on guessing."""

import pytest

from tukur.hub.auth.limits import _MAX_CLIENTS, FailureLimit, rate_limit_key


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_after_too_many_failures_a_client_waits_until_the_oldest_is_a_window_ago() -> None:
    clock = Clock()
    limit = FailureLimit(max_failures=3, window_s=60, clock=clock)
    for _ in range(3):
        assert limit.wait_s("a") == 0
        limit.record_failure("a")
        clock.now += 10
    assert limit.wait_s("a") == 30
    clock.now += 29.5
    assert limit.wait_s("a") == 0.5
    clock.now += 0.5
    assert limit.wait_s("a") == 0
    limit.record_failure("a")
    assert limit.wait_s("a") == 10


def test_one_client_does_not_brake_another() -> None:
    limit = FailureLimit(max_failures=1, clock=Clock())
    limit.record_failure("a")
    assert limit.wait_s("a") > 0
    assert limit.wait_s("b") == 0


def test_what_is_remembered_of_clients_is_bounded() -> None:
    limit = FailureLimit(max_failures=1, clock=Clock())
    for number in range(_MAX_CLIENTS + 10):
        limit.record_failure(str(number))
    assert len(limit._failures) == _MAX_CLIENTS
    assert limit.wait_s("0") == 0
    assert limit.wait_s(str(_MAX_CLIENTS)) > 0
    for _ in range(1000):
        limit.record_failure("many")
    assert len(limit._failures["many"]) == 1


def test_a_failure_that_was_none_is_taken_back() -> None:
    limit = FailureLimit(max_failures=2, window_s=60, clock=lambda: 0.0)
    for _ in range(5):
        limit.record_failure("a")
        limit.undo_failure("a")
    assert limit.wait_s("a") == 0
    limit.undo_failure("nobody")


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", ""),
        ("not known", "not known"),
    ],
)
def test_of_ipv6_a_customers_whole_network_is_counted_as_one(address: str, network: str) -> None:
    assert rate_limit_key(address) == network
