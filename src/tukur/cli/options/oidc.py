"""By which OpenID provider people may sign in: the same for ``up`` and ``hub``."""

import argparse
from pathlib import Path

from tukur.cli.errors import CommandError, Exit
from tukur.cli.settings.table import OIDC
from tukur.hub.oidc.settings import OidcSettings, parse_roles


def oidc_settings(options: argparse.Namespace) -> OidcSettings | None:
    """None: there is no provider. Raises CommandError."""
    if options.oidc_issuer is None:
        if any(options.found[setting.dest].source != "default" for setting in OIDC.settings):
            raise CommandError(Exit.USAGE, "--oidc options without a provider; --oidc-issuer expected")
        return None
    if options.oidc_client_id is None or not options.oidc_role:
        raise CommandError(Exit.USAGE, "--oidc-issuer needs --oidc-client-id and at least one --oidc-role")
    _check_issuer(options.oidc_issuer)
    try:
        roles = parse_roles(options.oidc_role)
    except ValueError as error:
        raise CommandError(Exit.USAGE, f"--oidc-role {error}") from error
    secret = options.oidc_client_secret
    return OidcSettings(
        issuer=options.oidc_issuer,
        client_id=options.oidc_client_id,
        client_secret="" if secret is None else secret.text().strip(),
        name=options.oidc_name,
        role_claim=options.oidc_role_claim,
        roles=roles,
        ca=_readable("--oidc-ca", options.oidc_ca),
    )


def _check_issuer(issuer: str) -> None:
    from tukur.hub.oidc.provider import check_url

    try:
        check_url(issuer)
    except ValueError as error:
        raise CommandError(Exit.USAGE, f"--oidc-issuer {error}") from error


def _readable(option: str, given: Path | None) -> Path | None:
    if given is None:
        return None
    path = given.expanduser().absolute()
    try:
        with path.open("rb"):
            return path
    except OSError as error:
        raise CommandError(Exit.USAGE, f"{option} {path} cannot be read: {error.strerror}") from error
