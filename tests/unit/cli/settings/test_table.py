"""The table of the settings holds together."""

from itertools import chain

import pytest

from tukur.cli.settings.resolve import variables
from tukur.cli.settings.table import AGENT, HUB, PROGRAMS, UP_ORDERS, Program, Setting

EVERY = tuple(dict.fromkeys(chain(HUB.settings, AGENT.settings, UP_ORDERS.settings)))


def test_names_variables_and_keys_are_unique_over_both_daemons() -> None:
    for words in (
        [setting.option for setting in EVERY],
        [setting.dest for setting in EVERY],
        variables(EVERY),
    ):
        assert len(words) == len(set(words))


@pytest.mark.parametrize("setting", EVERY, ids=lambda setting: setting.name)
def test_a_default_is_a_value_that_a_file_may_say(setting: Setting) -> None:
    if setting.default is not None:
        value = str(setting.default) if setting.kind.path else setting.default
        assert setting.kind.of_toml(value) == setting.default


FIXED = {
    "hub": {"data", "config", "database", "database-password", "host", "port", "base-path", "enrol"}
    | {"google-project", "google-groups", "google-certs-url", "google-compute-url"},
    "agent": {"data", "config", "hub", "order-key", "pin", "tls-name", "source", "scrub", "strip-arguments"},
}
"""What takes a restart."""


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=lambda program: program.name)
def test_a_daemon_reloads_everything_but_what_it_is_built_upon(program: Program) -> None:
    assert {setting.name for setting in program.settings if not setting.reloads} == FIXED[program.name]


def test_a_secret_by_file_names_a_file() -> None:
    by_file = [setting for setting in EVERY if setting.by_file]
    assert by_file
    assert all(setting.secret and setting.kind.path for setting in by_file)
    assert by_file[0].option.endswith("-file")
