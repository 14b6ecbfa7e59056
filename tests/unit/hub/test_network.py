"""Names and addresses of this machine."""

import socket

import pytest

from tukur.hub.network import LOCAL, bracketed, is_loopback, own_names


@pytest.mark.parametrize(
    ("host", "only_here"),
    [
        ("127.0.0.1", True),
        ("localhost", True),
        ("::1", True),
        ("[::1]", True),
        ("0.0.0.0", False),
        ("::", False),
    ],
)
def test_an_address_that_others_can_reach_is_known_as_such(host: str, only_here: bool) -> None:
    assert is_loopback(host) is only_here


@pytest.mark.parametrize(
    ("name", "written"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]"), ("hub.example", "hub.example")]
)
def test_only_an_ipv6_address_is_written_in_brackets(name: str, written: str) -> None:
    assert bracketed(name) == written


def test_a_hub_on_loopback_has_local_names_only_and_those_that_it_was_given() -> None:
    assert own_names("127.0.0.1", ("Hub.Example",)) == (*LOCAL, "hub.example")


def test_a_hub_that_others_can_reach_has_the_machines_name_too() -> None:
    assert socket.gethostname().lower() in own_names("0.0.0.0")
