"""The kinds of settings: which values each accepts, and how to say so to a person."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

_END = r"(?![\s\S])"
"""Of a pattern: unlike $, it is not found before a line end either; JSON Schema knows no \\Z."""
Word = Annotated[str, Meta(min_length=1)]


@dataclass(frozen=True, slots=True)
class Kind:
    """What a setting's value is."""

    type: Any
    """The value in a file; msgspec checks it and derives the JSON schema from it."""
    expected: str
    """The second half of a message: what was expected."""
    metavar: str = ""
    type_name: str = "text"
    """What the manual calls it."""
    separator: str = ""
    """Regular expression between the entries of a list in the environment; empty: one value, not a list."""
    path: bool = False
    """Whether the value is handed on as a Path."""

    def of_text(self, text: str) -> Any:
        """The value of a text from the environment, or of one from the command line. Raises ValueError."""
        if self.separator:
            return self._convert([part for part in re.split(self.separator, text) if part], strict=False)
        return self._convert(text, strict=False)

    def of_flag(self, given: Any) -> Any:
        """The value of what argparse collected: a text, a list of them or a bool. Raises ValueError."""
        return self._convert(given, strict=False)

    def of_toml(self, value: object) -> Any:
        """The value of what a file says. Raises ValueError."""
        return self._convert(value, strict=True)

    def _convert(self, value: object, *, strict: bool) -> Any:
        try:
            found = msgspec.convert(value, self.type, strict=strict)
        except msgspec.ValidationError as error:
            raise ValueError(f"{value!r}; {self.expected}") from error
        return Path(found) if self.path else found


TEXT = Kind(Word, "a text expected")
FILE = Kind(Word, "a path expected", "FILE", "path", path=True)
FOLDER = Kind(Word, "a path expected", "DIR", "path", path=True)
SWITCH = Kind(bool, "true or false expected", type_name="boolean")
PORT = Kind(Annotated[int, Meta(ge=1, le=65535)], "1 to 65535 expected", "PORT", "integer")
POSITIVE = Kind(Annotated[float, Meta(gt=0, lt=1e9)], "a number above 0 expected", type_name="number")
LEVEL = Kind(Literal["debug", "info", "warning", "error"], "debug, info, warning or error expected", "LEVEL")
DURATION = Kind(
    Annotated[str, Meta(pattern=r"^(?:(?:[6-9]\d|[1-9]\d{2,5})m|[1-9]\d{0,5}[hdwy])" + _END)],
    "an hour or more expected: a number with m, h, d, w or y",
    "DURATION",
    "duration",
)
SIZE = Kind(
    Annotated[str, Meta(pattern=r"^(?:(?:6[4-9]|[7-9]\d|[1-9]\d{2,8})MiB|[1-9]\d{0,8}[GT]iB)" + _END)],
    "64MiB or more expected: a number with MiB, GiB or TiB",
    "SIZE",
    "size",
)
ORDER_KEY = Kind(
    Annotated[str, Meta(pattern=r"^[0-9A-Fa-f]{64}" + _END)], "64 hexadecimal digits expected", "HEX"
)
URL_PATH = Kind(
    Annotated[str, Meta(pattern=r"^(?:/|(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+/?)" + _END, max_length=200)],
    "a path such as /tukur expected, with letters, digits and . _ ~ - between the slashes",
    "PATH",
    "path of a URL",
)
NAMES = Kind(list[Word], "a list of names expected", type_name="list", separator=r"[,\s]+")
LINES = Kind(list[Word], "a list of texts expected", type_name="list", separator=r"\n")
"""Their entries may contain commas and spaces: one on each line of the environment's variable."""
