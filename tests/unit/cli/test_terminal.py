"""What is printed cannot command a terminal."""

import io
import json
import sys

import pytest

from tukur.cli import main
from tukur.cli.terminal import plain


def printed(text: str, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    print(text, end="", file=plain(stream))
    stream.flush()
    return raw.getvalue().decode(encoding)


def test_lines_and_tabs_are_printed_and_escape_sequences_are_not() -> None:
    assert printed("a\tb\nc") == "a\tb\nc"
    assert printed("\x1b]0;owned\x07\r\u202e\U000e0041\udce9") == (
        r"\u001b]0;owned\u0007\u000d\u202e\udb40\udc41\udce9"
    )


def test_json_that_is_printed_stays_the_same_json() -> None:
    content = {"name": "a\x7f\x9b\u202e\U000e0041 größe"}
    assert json.loads(printed(json.dumps(content, ensure_ascii=False))) == content


def test_what_the_terminal_has_no_characters_for_is_escaped() -> None:
    assert printed("größe 漢", "latin-1") == r"größe \u6f22"


def test_the_stream_keeps_its_other_properties() -> None:
    assert plain(sys.stdout).encoding == sys.stdout.encoding


def test_an_error_about_what_was_found_is_printed_plainly(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "check", "--policy", "/no\x1b[2Jwhere/\udce9"]) in (0, 1, 2)
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
