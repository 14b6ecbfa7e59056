"""How browsers are named in the list of sessions."""

import pytest

from tukur.hub.api.browsers import browser_of

CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0", "Firefox 143 on Linux"),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME}", "Chrome 141 on Windows"),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME} Edg/141.0", "Edge 141 on Windows"),
        (f"Mozilla/5.0 (Linux; Android 10; K) {CHROME}", "Chrome 141 on Android"),
        (
            "Mozilla/5.0 (Macintosh; Mac OS X) AppleWebKit/605.1.15 Version/26.0 Safari/605.1.15",
            "Safari 26 on macOS",
        ),
        ("curl/7.88.1", "curl/7.88.1"),
        ("x" * 500, "x" * 60),
        ("a\x1b[31mred", "a[31mred"),
        ("", ""),
    ],
)
def test_a_browser_is_named_so_that_its_owner_knows_it(user_agent: str, name: str) -> None:
    assert browser_of(user_agent) == name
