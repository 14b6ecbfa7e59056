"""A browser's short name, from its User-Agent header."""

import re

_BROWSERS = (
    ("Edge", re.compile(r"Edg(?:e|A|iOS)?/(\d+)")),
    ("Opera", re.compile(r"OPR/(\d+)")),
    ("Firefox", re.compile(r"(?:Firefox|FxiOS)/(\d+)")),
    ("Chrome", re.compile(r"(?:Chrome|Chromium|CriOS|HeadlessChrome)/(\d+)")),
    ("Safari", re.compile(r"Version/(\d+).* Safari/")),
)
"""The first match wins: browsers further up also contain the marks of those further down."""
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iOS"),
    ("iPad", "iOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def browser_of(user_agent: str) -> str:
    """Such as ``Firefox 143 on Linux``; for other clients the first word."""
    system = next((f" on {name}" for mark, name in _SYSTEMS if mark in user_agent), "")
    for name, pattern in _BROWSERS:
        found = pattern.search(user_agent)
        if found:
            return f"{name} {found[1]}{system}"
    word = user_agent.split(" ", maxsplit=1)[0][:60]
    return "".join(letter for letter in word if letter.isprintable())
