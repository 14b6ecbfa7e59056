"""Text of the kernel, whatever bytes it is of."""

import os

from hypothesis import given
from hypothesis import strategies as st

from tukur.text import readable


def test_text_that_can_be_shown_stays_as_it_is() -> None:
    for text in ("postgres: alice mydb idle", "größe 漢字 🎉 e\u0301", "می\u200cخواهم", ""):  # noqa: RUF001
        assert readable(text) == text
        assert readable(text.encode()) == text


def test_bytes_that_are_not_utf_8_are_escaped_however_python_kept_them() -> None:
    assert readable(b"caf\xe9") == r"caf\xe9"
    assert readable(os.fsdecode(b"caf\xe9")) == r"caf\xe9"
    assert readable("\ud800") == r"\ud800"


def test_what_moves_a_cursor_turns_text_around_or_hides_is_escaped() -> None:
    assert readable(b"\x1b[2Jevil\r\n\t") == r"\x1b[2Jevil\r\n\t"
    assert readable("\u202egnp.exe\u200b\x9b\x7f") == r"\u202egnp.exe\u200b\x9b\x7f"


@given(st.binary() | st.text())
def test_whatever_passes_can_be_sent_and_shown_and_passes_again_unchanged(found: bytes | str) -> None:
    text = readable(found)
    text.encode()
    assert readable(text) == text
    assert not any(character in text for character in "\x00\x1b\n\r\x9b\u202e")
