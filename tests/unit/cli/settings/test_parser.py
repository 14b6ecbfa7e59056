"""Misspelt flags, and help."""

import pytest

from tukur.cli import main
from tukur.cli.settings.parser import plain


@pytest.mark.parametrize(
    ("words", "usage", "hint"),
    [
        (["hub", "--prot", "1"], "usage: tukur hub ", "--prot 1; did you mean --port?"),
        (["hub", "--tls_key=x"], "usage: tukur hub ", "--tls_key=x; did you mean --tls-key?"),
        (["agent", "run", "--scurb", "x"], "usage: tukur agent run ", "did you mean --scrub?"),
        (["user", "add", "ada", "--gruop", "x"], "usage: tukur user add ", "did you mean --group?"),
        (["hub", "--zzzzzz"], "usage: tukur hub ", "unrecognized arguments: --zzzzzz\n"),
    ],
)
def test_a_misspelt_flag_gets_the_subcommands_usage_and_the_nearest_flag(
    words: list[str], usage: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith(usage)
    assert hint in told


def test_the_help_is_the_tables_text_without_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["hub", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert "port to listen on (default: 8787)" in told
    assert "let users sign in with this OpenID provider" in told
    assert ".md" not in told


def test_links_and_backticks_are_left_out() -> None:
    assert plain("the [host policy](policy.md): `x`") == "the host policy: x"
