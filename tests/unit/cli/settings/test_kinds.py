"""Which values each kind of setting accepts, as text and in a file."""

from pathlib import Path

import pytest

from tukur.cli.settings import kinds
from tukur.cli.settings.kinds import Kind


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (kinds.PORT, "8787", 8787),
        (kinds.SWITCH, "true", True),
        (kinds.SWITCH, "0", False),
        (kinds.POSITIVE, "0.5", 0.5),
        (kinds.FILE, "/etc/x", Path("/etc/x")),
        (kinds.NAMES, "a.example, b.example\nc", ["a.example", "b.example", "c"]),
        (kinds.LINES, "cn=ops,dc=owls=admin\nfoo bar=viewer\n", ["cn=ops,dc=owls=admin", "foo bar=viewer"]),
        (kinds.DURATION, "60m", "60m"),
        (kinds.SIZE, "64MiB", "64MiB"),
    ],
)
def test_the_environments_text_becomes_the_value(kind: Kind, text: str, value: object) -> None:
    assert kind.of_text(text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (kinds.PORT, "0"),
        (kinds.PORT, "65536"),
        (kinds.PORT, "tcp://10.0.0.1:8787"),
        (kinds.SWITCH, "perhaps"),
        *((kinds.POSITIVE, text) for text in ("0", "-1", "much", "nan", "1e9", "inf")),
        *((kinds.DURATION, text) for text in ("7", "0d", "59m", "7d ", "7d\n", "-1d", "1000000d")),
        *((kinds.SIZE, text) for text in ("63MiB", "20GB", "1MiB", "0GiB", "20GiB\n")),
        (kinds.LEVEL, "loud"),
        (kinds.ORDER_KEY, "00" * 31),
        (kinds.TEXT, ""),
    ],
)
def test_what_is_none_is_refused_with_what_was_found(kind: Kind, text: str) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        kind.of_text(text)
    assert str(caught.value).startswith(f"{text!r}; ")


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (kinds.PORT, "8787"),
        (kinds.PORT, 80.5),
        (kinds.SWITCH, 1),
        (kinds.TEXT, 7),
        (kinds.NAMES, "hub.example"),
        (kinds.NAMES, [""]),
        (kinds.FILE, {"path": "x"}),
    ],
)
def test_a_file_must_say_the_right_type(kind: Kind, value: object) -> None:
    with pytest.raises(ValueError, match="expected"):
        kind.of_toml(value)


def test_a_file_may_say_a_whole_number_where_a_fraction_is_allowed() -> None:
    assert kinds.POSITIVE.of_toml(512) == 512
