"""Which certificate the options choose, and which of them exclude each other."""

import argparse
from pathlib import Path

import pytest

from tests.support.settings import resolved
from tukur.cli.errors import CommandError, Exit
from tukur.cli.options.tls import tls_settings
from tukur.cli.settings.resolve import arguments_of
from tukur.cli.settings.table import ADDRESS


def options(*words: str) -> argparse.Namespace:
    return resolved(words, ADDRESS)


def test_on_this_machine_alone_there_is_no_tls_and_beyond_it_always() -> None:
    assert not tls_settings(options()).encrypted
    assert not tls_settings(options("--host", "::1")).encrypted
    for host in ("0.0.0.0", "::", "192.0.2.7", "hub.example"):
        assert tls_settings(options("--host", host)).own_authority


def test_a_given_certificate_takes_the_place_of_the_hubs_own() -> None:
    given = tls_settings(options("--host", "0.0.0.0", "--tls-cert", "c.pem", "--tls-key", "k.pem"))
    assert (given.own_authority, given.encrypted, given.certificate) == (False, True, Path.cwd() / "c.pem")


def test_the_hub_of_up_gets_the_same_certificate() -> None:
    words = ("--tls-cert=/c.pem", "--tls-key=/k.pem", "--tls-ca=/ca.pem")
    assert arguments_of(options(*words), ADDRESS.settings) == list(words)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--tls-cert", "c.pem"), "belong together"),
        (("--tls-key", "k.pem"), "belong together"),
        (("--behind-proxy", "p.pem", "--tls-cert", "c.pem", "--tls-key", "k.pem"), "exclude each other"),
        (("--behind-proxy", "p.pem", "--host", "0.0.0.0"), "loopback addresses only"),
        (("--tls-ca", "ca.pem"), "--tls-cert expected"),
    ],
)
def test_options_that_do_not_fit_are_refused(words: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(CommandError, match=complaint) as refused:
        tls_settings(options(*words))
    assert refused.value.exit_code is Exit.USAGE
