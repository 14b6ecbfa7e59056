"""Which virtual machines of Google may join."""

import argparse

import pytest

from tests.support.settings import resolved
from tukur.cli.errors import CommandError, Exit
from tukur.cli.options.google import google_settings
from tukur.cli.settings.resolve import arguments_of
from tukur.cli.settings.table import GOOGLE

GROUP = "regions/europe-west1/instanceGroupManagers/web"
WHOLE = ["--google-project", "my-project-123", "--google-groups", GROUP]


def parsed(*words: str) -> argparse.Namespace:
    return resolved(words, GOOGLE)


def test_without_a_project_no_machine_of_google_may() -> None:
    assert google_settings(parsed()) is None


def test_what_is_given_reaches_the_hub_that_up_starts() -> None:
    given = parsed(*WHOLE, "--google-groups", "zones/us-central1-a/instanceGroupManagers/b")
    settings = google_settings(parsed(*arguments_of(given, GOOGLE.settings)))
    assert settings is not None
    assert settings.project == "my-project-123"
    assert settings.groups == (GROUP, "zones/us-central1-a/instanceGroupManagers/b")
    assert settings.compute_url == "https://compute.googleapis.com/compute/v1"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (WHOLE[2:], "--google-project expected"),
        (WHOLE[:2], "needs at least one of --google-groups"),
        (["--google-project", "No Project", *WHOLE[2:]], "the ID of a Google Cloud project"),
        ([*WHOLE[:2], "--google-groups", "web"], "regions/REGION/instanceGroupManagers/NAME"),
        ([*WHOLE[:2], "--google-groups", f"projects/p/{GROUP}"], "regions/REGION/instanceGroupManagers/NAME"),
        ([*WHOLE[:2], "--google-groups", f"{GROUP}/../../x"], "regions/REGION/instanceGroupManagers/NAME"),
        ([*WHOLE, "--google-certs-url", "http://example.org/"], "an https URL expected"),
        ([*WHOLE, "--google-compute-url", "ftp://127.0.0.1/"], "an https URL expected"),
    ],
)
def test_what_is_missing_or_makes_no_sense_is_told(words: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said) as raised:
        google_settings(parsed(*words))
    assert raised.value.exit_code == Exit.USAGE
