"""What commands print: names and reasons that others chose must not command the terminal they are read on."""

from typing import Any, TextIO, cast

from tukur.text import escape_unfit


class PlainOutput:
    """A text stream that writes to another one; it escapes control characters, except ends of lines and tabs.

    The escapes are ``\\uNNNN``, which JSON has as well. What the stream's encoding lacks is escaped too.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Writes the text; its length."""
        plain = escape_unfit(text)
        encoding = self._stream.encoding or "utf-8"
        self._stream.write(plain.encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def plain(stream: TextIO) -> TextIO:
    """The stream, as far as text is written to it, as a PlainOutput."""
    return cast("TextIO", PlainOutput(stream))
