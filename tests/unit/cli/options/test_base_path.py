"""Which paths a hub may be put behind."""

import pytest

from tests.support.settings import resolved
from tukur.cli.errors import CommandError, Exit
from tukur.cli.options.base_path import base_path
from tukur.cli.settings.table import ADDRESS


@pytest.mark.parametrize(
    ("given", "used"),
    [("/tukur", "/tukur"), ("/tukur/", "/tukur"), ("/a/b.c/~d", "/a/b.c/~d"), ("/", "")],
)
def test_a_slash_at_the_end_makes_no_difference(given: str, used: str) -> None:
    assert base_path(resolved(["--base-path", given], ADDRESS)) == used


def test_without_the_setting_there_is_none() -> None:
    assert base_path(resolved([], ADDRESS)) == ""


@pytest.mark.parametrize(
    "given",
    [
        *("tukur", "//evil.example", "/tukur//x", "/..", "/a/../b", "/./a", "/tukur?x=1", "/tukur#x"),
        *("https://hub.example/tukur", "/tu kur", '/a"b', "/%2e%2e", "/tukur\n", "/ä", "/" + "a" * 200),
    ],
)
def test_what_is_no_such_path_is_refused_in_one_line(given: str) -> None:
    with pytest.raises(CommandError) as refused:
        resolved(["--base-path", given], ADDRESS)
    assert refused.value.exit_code is Exit.USAGE
    assert str(refused.value).startswith(f"--base-path {given!r}; a path such as /tukur expected")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("given", ["/api", "/api/tukur", "/agent/", "/account", "/assets"])
def test_a_path_that_the_hub_has_itself_is_refused(given: str) -> None:
    with pytest.raises(CommandError, match="the hub has paths of its own under") as refused:
        base_path(resolved(["--base-path", given], ADDRESS))
    assert refused.value.exit_code is Exit.USAGE
