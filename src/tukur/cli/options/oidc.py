"""Options that say by which OpenID provider people may sign in: the same for ``up`` and ``hub``."""

import argparse
from pathlib import Path

from tukur.cli.errors import CommandError, Exit
from tukur.hub.oidc.settings import OidcSettings, parse_roles

_TEXTS = (
    ("--oidc-issuer", "URL", "let users sign in with this OpenID provider (docs/how-to/manage-users.md)"),
    ("--oidc-client-id", "ID", "the client ID of this hub at the provider"),
    ("--oidc-client-secret-file", "FILE", "the client's secret; a file that others cannot read"),
    ("--oidc-name", "NAME", "what the sign-in page calls the provider (default: OpenID)"),
    ("--oidc-role-claim", "CLAIM", "the claim that roles are derived from (default: groups)"),
    ("--oidc-ca", "FILE", "the authority of the provider's certificate (default: those of the system)"),
)


def add_oidc_options(parser: argparse.ArgumentParser) -> None:
    """Which provider, and what its users become."""
    for name, metavar, text in _TEXTS:
        parser.add_argument(name, default=None, metavar=metavar, help=text)
    parser.add_argument(
        "--oidc-role",
        action="append",
        default=[],
        metavar="VALUE=ROLE[@GROUP]",
        help="users with this value of the claim get this role, on all hosts or on a group of hosts",
    )


def oidc_settings(options: argparse.Namespace) -> OidcSettings | None:
    """None: there is no provider. Raises CommandError."""
    given = {name: getattr(options, name[2:].replace("-", "_")) for name, _, _ in _TEXTS}
    issuer, client_id = given["--oidc-issuer"], given["--oidc-client-id"]
    if issuer is None:
        if any(given.values()) or options.oidc_role:
            raise CommandError(Exit.USAGE, "--oidc options without a provider; --oidc-issuer expected")
        return None
    if client_id is None or not options.oidc_role:
        raise CommandError(Exit.USAGE, "--oidc-issuer needs --oidc-client-id and at least one --oidc-role")
    _check_issuer(issuer)
    try:
        roles = parse_roles(options.oidc_role)
    except ValueError as error:
        raise CommandError(Exit.USAGE, f"--oidc-role {error}") from error
    return OidcSettings(
        issuer=issuer,
        client_id=client_id,
        client_secret=_secret(given["--oidc-client-secret-file"]),
        name=given["--oidc-name"] or "OpenID",
        role_claim=given["--oidc-role-claim"] or "groups",
        roles=roles,
        ca=_readable("--oidc-ca", given["--oidc-ca"]),
    )


def _check_issuer(issuer: str) -> None:
    from tukur.hub.oidc.provider import check_url

    try:
        check_url(issuer)
    except ValueError as error:
        raise CommandError(Exit.USAGE, f"--oidc-issuer {error}") from error


def _secret(name: str | None) -> str:
    path = _readable("--oidc-client-secret-file", name)
    if path is None:
        return ""
    if path.stat().st_mode & 0o077:
        raise CommandError(Exit.USAGE, f"{path} can be read by others; mode 0600 expected")
    secret = path.read_text(encoding="utf-8").strip()
    if not secret:
        raise CommandError(Exit.USAGE, f"{path} is empty; the client's secret expected")
    return secret


def _readable(option: str, name: str | None) -> Path | None:
    if name is None:
        return None
    path = Path(name).expanduser().absolute()
    try:
        with path.open("rb"):
            return path
    except OSError as error:
        raise CommandError(Exit.USAGE, f"{option} {path} cannot be read: {error.strerror}") from error


def oidc_arguments(options: argparse.Namespace) -> list[str]:
    """The same options, for the hub that ``up`` starts."""
    given = [(name, getattr(options, name[2:].replace("-", "_"))) for name, _, _ in _TEXTS]
    return [
        *(word for name, value in given if value is not None for word in (name, value)),
        *(word for role in options.oidc_role for word in ("--oidc-role", role)),
    ]
