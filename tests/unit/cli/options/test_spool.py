"""How much may wait for the hub, as options."""

import argparse

import pytest

from tukur.cli.options.spool import add_spool_options, spool_arguments


def options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_spool_options(parser)
    return parser.parse_args(words)


@pytest.mark.parametrize("words", [(), ("--spool-size", "64", "--spool-age", "0.5", "--drain-rate", "9000")])
def test_an_agent_that_is_started_for_somebody_has_the_same(words: tuple[str, ...]) -> None:
    asked = options(*words)
    assert vars(options(*spool_arguments(asked))) == vars(asked)


@pytest.mark.parametrize("value", ["0", "-1", "much", "nan", "1e9"])
def test_what_is_no_number_above_zero_is_refused(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options("--spool-size", value)
    assert "a number above 0 expected" in capsys.readouterr().err
