"""Names and addresses of this machine."""

import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.support.directory import Directory
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


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for namespaces")
def test_a_resolver_that_hangs_and_a_hostname_of_odd_bytes_keep_no_hub_from_starting(tmp_path: Path) -> None:
    directory = Directory(tmp_path)
    directory.hang(on=True)
    code = """
        import socket
        socket.sethostname(b"h\\xf6st")
        from tukur.hub import network
        network.RESOLVER_S = 0.2
        print(network.own_names("hub.example"))
        socket.sethostname(b"plain")
        network.own_names.cache_clear()
        network._machine_names.cache_clear()
        print(network.own_names("hub.example"))
    """
    command = directory.command(["unshare", "--uts", sys.executable, "-c", textwrap.dedent(code)])
    found = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert found.stdout.splitlines() == [
        str((*LOCAL, "hub.example")),
        str((*LOCAL, "hub.example", "plain")),
    ]
