"""How long what is kept, as a person says it."""

import argparse

import pytest

from tests.support.settings import resolved
from tukur.cli.errors import CommandError, Exit
from tukur.cli.options.retention import parse_keep
from tukur.cli.settings.resolve import arguments_of
from tukur.cli.settings.table import RETENTION
from tukur.hub.store.maintenance.retention_policy import DAY_MS, RetentionPolicy


def options(*words: str) -> argparse.Namespace:
    return resolved(words, RETENTION)


def test_without_a_word_it_is_a_week_a_season_and_two_years() -> None:
    assert (
        parse_keep(options())
        == RetentionPolicy(7 * DAY_MS, 90 * DAY_MS, 730 * DAY_MS, 0)
        == RetentionPolicy()
    )


def test_each_level_and_the_size_can_be_said() -> None:
    words = ("--keep-seconds", "36h", "--keep-minutes=2w", "--keep-hours=1y", "--max-size=20GiB")
    keep = parse_keep(options(*words))
    assert keep == RetentionPolicy(36 * 3_600_000, 14 * DAY_MS, 365 * DAY_MS, 20 << 30)
    assert parse_keep(options(*arguments_of(options(*words), RETENTION.settings))) == keep


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--keep-seconds", "7"), "--keep-seconds '7'"),
        (("--keep-minutes", "0d"), "an hour or more expected"),
        (("--keep-hours", "-1d1"), "--keep-hours"),
        (("--keep-seconds", "30m"), "an hour or more"),
        (("--keep-seconds", "91d"), "the coarser level must be kept at least as long"),
        (("--max-size", "20GB"), "--max-size '20GB'"),
        (("--max-size", "1MiB"), "64MiB or more expected"),
    ],
)
def test_what_makes_no_sense_is_told(words: tuple[str, str], told: str) -> None:
    with pytest.raises(CommandError, match=told) as caught:
        parse_keep(options(f"{words[0]}={words[1]}"))
    assert caught.value.exit_code == Exit.USAGE
