"""The options of an OpenID provider."""

import argparse
from pathlib import Path

import pytest

from tests.support.settings import resolved
from tukur.cli.errors import CommandError, Exit
from tukur.cli.options.oidc import oidc_settings
from tukur.cli.settings.resolve import arguments_of
from tukur.cli.settings.table import OIDC
from tukur.hub.auth.identity import Rights, Role

WHOLE = ["--oidc-issuer", "https://id.example", "--oidc-client-id", "tukur", "--oidc-role", "ops=operator"]


def parsed(*words: str) -> argparse.Namespace:
    return resolved(words, OIDC)


def oidc_arguments(options: argparse.Namespace) -> list[str]:
    return arguments_of(options, OIDC.settings)


def test_without_options_there_is_no_provider() -> None:
    assert oidc_settings(parsed()) is None
    assert oidc_arguments(parsed()) == []


def test_what_is_given_reaches_the_hub_that_up_starts(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(" hush\n")
    secret.chmod(0o600)
    given = (*WHOLE, "--oidc-client-secret-file", str(secret), "--oidc-role-claim", "roles")
    settings = oidc_settings(parsed(*oidc_arguments(parsed(*given))))
    assert settings is not None
    assert (settings.client_secret, settings.role_claim, settings.name) == ("hush", "roles", "OpenID")
    assert settings.roles == {"ops": Rights(Role.OPERATOR)}
    assert "hush" not in " ".join(oidc_arguments(parsed(*given)))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--oidc-client-id", "tukur"], "--oidc-issuer expected"),
        (["--oidc-role", "a=viewer"], "--oidc-issuer expected"),
        (WHOLE[:4], "at least one --oidc-role"),
        (WHOLE[:2], "needs --oidc-client-id"),
        ([*WHOLE, "--oidc-issuer", "http://id.example"], "an https URL expected"),
        ([*WHOLE, "--oidc-role", "ops"], "VALUE=ROLE"),
        ([*WHOLE, "--oidc-ca", "/nowhere"], "/nowhere cannot be read"),
        ([*WHOLE, "--oidc-client-secret-file", "/nowhere"], "/nowhere cannot be read"),
    ],
)
def test_what_is_missing_or_makes_no_sense_is_told(words: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said) as raised:
        oidc_settings(parsed(*words))
    assert raised.value.exit_code == Exit.USAGE


@pytest.mark.parametrize(
    ("mode", "content", "said"), [(0o644, "x", "0600 expected"), (0o600, "\n", "is empty")]
)
def test_a_secret_that_others_can_read_or_that_is_none_is_refused(
    tmp_path: Path, mode: int, content: str, said: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(content)
    secret.chmod(mode)
    with pytest.raises(CommandError, match=said):
        oidc_settings(parsed(*WHOLE, "--oidc-client-secret-file", str(secret)))
