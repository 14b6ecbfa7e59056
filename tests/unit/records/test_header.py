"""The numpy dtype and the C structure are the same, byte for byte."""

import re
import shutil
import subprocess
import sys
from importlib import util
from pathlib import Path

import pytest

from tukur.records import KTHREAD, RECORD_VERSION, TASK, THREAD

HEADER = Path(__file__).resolve().parents[3] / "native" / "include" / "tukur_record.h"
MEMBER = re.compile(r"^\t(?:__[us]\d+|char) (\w+)(?:\[\w+\])?;", re.MULTILINE)


def compiler() -> list[str]:
    if util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc"]
    found = shutil.which("cc")
    return [found] if found else pytest.skip("neither ziglang nor cc is here to compile the header")


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, int]]:
    """Offset and size of each member as a C compiler sees them; "" is the structure, KTHREAD etc. flags."""
    folder = tmp_path_factory.mktemp("header")
    body = HEADER.read_text().partition("struct tukur_task {")[2].partition("};")[0]
    lines = [
        f'printf("{name} %zu %zu\\n", offsetof(struct tukur_task, {name}),'
        f" sizeof(((struct tukur_task *)0)->{name}));"
        for name in MEMBER.findall(body)
    ]
    source = folder / "layout.c"
    source.write_text(
        f'#include <stddef.h>\n#include <stdio.h>\n#include "{HEADER}"\nint main(void) {{\n'
        + "\n".join(lines)
        + '\nprintf("= 0 %zu\\n", sizeof(struct tukur_task));'
        + '\nprintf("version 0 %d\\n", TUKUR_RECORD_VERSION);'
        + '\nprintf("kthread 0 %u\\n", TUKUR_TASK_KTHREAD);'
        + '\nprintf("thread 0 %u\\n", TUKUR_TASK_THREAD);\nreturn 0; }\n'
    )
    program = folder / "layout"
    subprocess.run([*compiler(), "-Wall", "-Werror", str(source), "-o", str(program)], check=True)
    told = subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout
    return {name: (int(at), int(size)) for name, at, size in (line.split() for line in told.splitlines())}


def test_every_member_has_the_same_place_and_size(layout: dict[str, tuple[int, int]]) -> None:
    assert TASK.fields is not None
    ours = {name: (at, dtype.itemsize) for name, (dtype, at) in TASK.fields.items()}
    theirs = {
        name: place for name, place in layout.items() if name not in ("=", "version", "kthread", "thread")
    }
    assert ours == theirs
    assert list(TASK.names or ()) == list(theirs)


def test_the_record_has_the_same_size_and_no_hole(layout: dict[str, tuple[int, int]]) -> None:
    assert TASK.itemsize == layout["="][1]
    assert TASK.itemsize % 8 == 0
    assert sum(dtype.itemsize for dtype, _ in TASK.fields.values()) == TASK.itemsize


def test_version_and_flags_are_the_same(layout: dict[str, tuple[int, int]]) -> None:
    assert layout["version"][1] == RECORD_VERSION
    assert layout["kthread"][1] == KTHREAD
    assert layout["thread"][1] == THREAD


def test_every_column_is_little_endian_and_naturally_aligned() -> None:
    for name, (dtype, at) in TASK.fields.items():
        assert dtype.byteorder in ("<", "|", "="), name
        assert dtype.kind == "S" or at % dtype.itemsize == 0, name
