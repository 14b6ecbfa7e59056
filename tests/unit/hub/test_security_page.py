"""Each test that the threat model names is there."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def named() -> list[tuple[str, str]]:
    """(file, sentence) of every test on the page."""
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    cells = re.findall(r"`([a-z_/]+\.py)`: ([^|`]+)", page)
    pairs = [(file, sentence.strip(" .,")) for file, cell in cells for sentence in cell.split(";")]
    return [pair for pair in pairs if pair[1]]


def test_every_line_of_the_threat_model_has_a_test_that_is_there() -> None:
    assert len(named()) > 10
    for file, sentence in named():
        function = "test_" + re.sub(r"[^a-z0-9]+", "_", sentence.lower().replace("'", ""))
        assert f"def {function}(" in (ROOT / "tests" / file).read_text(encoding="utf-8"), function
