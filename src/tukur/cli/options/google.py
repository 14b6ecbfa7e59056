"""Which virtual machines of Google may join: the same for ``up`` and ``hub``."""

import argparse
from collections.abc import Callable

from tukur.cli.errors import CommandError, Exit
from tukur.cli.settings.table import GOOGLE
from tukur.hub.cloud.settings import GoogleSettings, check_group, check_project


def google_settings(options: argparse.Namespace) -> GoogleSettings | None:
    """None: none may. Raises CommandError."""
    if options.google_project is None:
        if any(options.found[setting.dest].source != "default" for setting in GOOGLE.settings):
            raise CommandError(Exit.USAGE, "--google options without a project; --google-project expected")
        return None
    if not options.google_groups:
        raise CommandError(Exit.USAGE, "--google-project needs at least one of --google-groups")
    return GoogleSettings(
        _checked("--google-project", check_project, options.google_project),
        tuple(_checked("--google-groups", check_group, group) for group in options.google_groups),
        certs_url=_url("--google-certs-url", options.google_certs_url),
        compute_url=_url("--google-compute-url", options.google_compute_url).rstrip("/"),
    )


def _url(option: str, text: str) -> str:
    from tukur.hub.oidc.provider import check_url

    def checked(url: str) -> str:
        check_url(url)
        return url

    return _checked(option, checked, text)


def _checked(option: str, check: Callable[[str], str], text: str) -> str:
    try:
        return check(text)
    except ValueError as error:
        raise CommandError(Exit.USAGE, f"{option} {error}") from error
