"""The one gate for text of the kernel and of other programs: what passes it can be shown, sent and stored."""

import os
import re

_UNFIT = re.compile(
    # Control characters, so that no name moves a terminal's cursor or begins a line of its own; lone
    # surrogates, which no encoding takes; and what is invisible or turns the direction of the text around it.
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)


def readable(found: bytes | str) -> str:
    r"""Any bytes as text; a str that Python made of bytes (PEP 383) is taken as those bytes.

    Bytes that are not UTF-8 become ``\xNN``, characters that must not reach a terminal or a page the escapes
    of Python's literals: nothing is lost, and nothing raises.
    """
    text = _as_bytes(found).decode("utf-8", "backslashreplace")
    return text if text.isprintable() else _UNFIT.sub(_escape, text)


def host_name() -> str:
    """The name of this machine as text: the kernel takes any bytes for it."""
    return readable(os.uname().nodename)


def escape_unfit(text: str) -> str:
    r"""Text of lines for a terminal: the same characters as ``\uNNNN``, except ends of lines and tabs."""
    return text if text.isprintable() else _UNFIT.sub(_escape_in_lines, text)


def _as_bytes(found: bytes | str) -> bytes:
    if isinstance(found, bytes):
        return found
    try:
        return found.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return found.encode("utf-8", "backslashreplace")


def _escape_in_lines(found: re.Match[str]) -> str:
    code = ord(found[0])
    if found[0] in "\n\t":
        return found[0]
    if code > 0xFFFF:
        # Two surrogates, as JSON writes it.
        high, low = divmod(code - 0x10000, 0x400)
        return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
    return f"\\u{code:04x}"


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")
