"""Each test that the threat model names is there."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def named() -> list[tuple[str, str]]:
    """(file, sentence) of every test on the page."""
    page = (ROOT / "docs" / "explanation" / "security.md").read_text(encoding="utf-8")
    cells = re.findall(r"`([a-z_/]+\.py)`: ([^|`]+)", page)
    pairs = [(file, sentence.strip(" .,")) for file, cell in cells for sentence in cell.split(";")]
    return [pair for pair in pairs if pair[1]]


def test_verification_is_switched_off_nowhere_but_to_fetch_what_is_checked_by_its_hash() -> None:
    source = ROOT / "src" / "tukur"
    off = re.compile(r"CERT_NONE|check_hostname = False|_create_unverified_context")
    found = {
        path.relative_to(source).as_posix() for path in source.rglob("*.py") if off.search(path.read_text())
    }
    assert found == {"agent/joining/join.py", "hub/installer/fetch.py"}
    for file in found:
        assert off.findall((source / file).read_text()) == ["check_hostname = False", "CERT_NONE"]


def test_every_line_of_the_threat_model_has_a_test_that_is_there() -> None:
    assert len(named()) > 10
    for file, sentence in named():
        function = "test_" + re.sub(r"[^a-z0-9]+", "_", sentence.lower().replace("'", ""))
        assert f"def {function}(" in (ROOT / "tests" / file).read_text(encoding="utf-8"), function
