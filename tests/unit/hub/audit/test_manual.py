"""The manual's program finds what the log's own check finds."""

import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests.unit.hub.audit.test_chain import WHOLE
from tukur.hub.audit.chain import sealed
from tukur.hub.audit.log import to_json
from tukur.hub.models.audit import START, Entry
from tukur.protocol import auth

MANUAL = Path(__file__).parents[4] / "docs" / "reference" / "audit.md"


def checked(entries: list[Entry]) -> "subprocess.CompletedProcess[str]":
    (program,) = re.findall(r"```python\n(.*?)```", MANUAL.read_text(encoding="utf-8"), re.DOTALL)
    lines = b"".join(msgspec.json.encode(to_json(entry)) + b"\n" for entry in entries).decode()
    return subprocess.run(
        [sys.executable, "-c", program], input=lines, capture_output=True, text=True, check=False
    )


def test_an_export_that_is_whole_is_found_whole() -> None:
    odd = msgspec.structs.replace(
        WHOLE[0], seq=1, actor='a "quoted" \\ näme\u2028 🦉 \x7f', detail='{"a":"b/c"}'
    )
    assert checked([sealed(odd, START, auth.new_key())]).stdout == "whole\n"
    assert checked(WHOLE).stdout == "whole\n"


@pytest.mark.parametrize("at", [0, 4, 9])
def test_one_that_is_not_is_found_out(at: int) -> None:
    changed = [*WHOLE]
    changed[at] = msgspec.structs.replace(WHOLE[at], actor="somebody else")
    assert checked(changed).stderr == f"entry {at + 1} is not what was written\n"
