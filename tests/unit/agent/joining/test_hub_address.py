"""Addresses of hubs."""

import pytest

from tukur.agent.joining.hub_address import HubAddressError, hub_uri, is_this_machine


async def test_a_hub_on_another_machine_needs_tls() -> None:
    assert hub_uri("https://hub.example:8787") == "wss://hub.example:8787/agent"
    assert hub_uri("http://[::1]:8787") == "ws://[::1]:8787/agent"
    assert hub_uri("https://hub.example/tools/tukur/") == "wss://hub.example/tools/tukur/agent"
    for bad in (
        "http://10.0.0.7:8787",
        "http://127.0.0.1.example.org",
        "hub.example",
        "ftp://localhost",
        "",
        "https://h/?a",
        "https://h/#a",
    ):
        with pytest.raises(HubAddressError, match=r"expected|encrypted"):
            hub_uri(bad)


def test_only_a_loopback_address_is_this_machine() -> None:
    assert is_this_machine("ws://[::1]:8787/agent")
    assert not is_this_machine("wss://hub.example/agent")
