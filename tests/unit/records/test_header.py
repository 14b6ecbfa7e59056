"""The numpy dtypes and the C structures are the same, byte for byte."""

import re
import shutil
import subprocess
import sys
from importlib import util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tukur import records
from tukur.records import CGROUP, EVENT, EXEC, EXIT, GROUP, LOST, TASK

HEADER = Path(__file__).resolve().parents[3] / "native" / "include" / "tukur_record.h"
MEMBER = re.compile(r"^\t(?:__[us]\d+|char) (\w+)(?:\[\w+\])?;", re.MULTILINE)
STRUCTURES: dict[str, "np.dtype[Any]"] = {
    "tukur_task": TASK,
    "tukur_event": EVENT,
    "tukur_exec": EXEC,
    "tukur_exit": EXIT,
    "tukur_cgroup": CGROUP,
    "tukur_group": GROUP,
    "tukur_lost": LOST,
}
NUMBERS = {
    "TUKUR_RECORD_VERSION": records.RECORD_VERSION,
    "TUKUR_EVENT_VERSION": records.EVENT_VERSION,
    "TUKUR_TASK_KTHREAD": records.KTHREAD,
    "TUKUR_TASK_THREAD": records.THREAD,
    "TUKUR_TASK_ENDED": records.ENDED,
    "TUKUR_TASK_PEAK_UNKNOWN": records.PEAK_UNKNOWN,
    "TUKUR_EXIT_OWN_PEAK": records.OWN_PEAK,
    **{
        f"TUKUR_EVENT_{name}": getattr(records, f"{name}_EVENT")
        for name in ("EXEC", "EXIT", "FREE", "CGROUP", "GROUP", "LOST")
    },
}
Layout = dict[str, dict[str, tuple[int, int]]]


def compiler() -> list[str]:
    if util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc"]
    found = shutil.which("cc")
    return [found] if found else pytest.skip("neither ziglang nor cc is here to compile the header")


def members(structure: str) -> list[str]:
    return MEMBER.findall(HEADER.read_text().partition(f"struct {structure} {{")[2].partition("};")[0])


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """(offset, size) of each structure's members as a C compiler sees them; "=" is the structure itself."""
    folder = tmp_path_factory.mktemp("header")
    lines = [
        f'printf("{structure} {name} %zu %zu\\n", offsetof(struct {structure}, {name}),'
        f" sizeof(((struct {structure} *)0)->{name}));"
        for structure in STRUCTURES
        for name in members(structure)
    ]
    lines += [f'printf("{name} = 0 %zu\\n", sizeof(struct {name}));' for name in STRUCTURES]
    lines += [f'printf("number {name} 0 %u\\n", (unsigned int){name});' for name in NUMBERS]
    source = folder / "layout.c"
    body = "\n".join(lines)
    source.write_text(
        f'#include <stddef.h>\n#include <stdio.h>\n#include "{HEADER}"\n'
        f"int main(void) {{\n{body}\nreturn 0; }}\n"
    )
    program = folder / "layout"
    subprocess.run([*compiler(), "-Wall", "-Werror", str(source), "-o", str(program)], check=True)
    told = subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout
    found: Layout = {}
    for structure, name, at, size in (line.split() for line in told.splitlines()):
        found.setdefault(structure, {})[name] = (int(at), int(size))
    return found


def fields(dtype: "np.dtype[Any]") -> list[tuple[str, "np.dtype[Any]", int]]:
    """(name, dtype, offset) of each field of a structure."""
    assert dtype.fields is not None
    return [(name, field[0], field[1]) for name, field in dtype.fields.items()]


@pytest.mark.parametrize("structure", STRUCTURES)
def test_every_member_has_the_same_place_and_size(layout: Layout, structure: str) -> None:
    dtype = STRUCTURES[structure]
    ours = {name: (offset, part.itemsize) for name, part, offset in fields(dtype)}
    assert ours == {name: place for name, place in layout[structure].items() if name != "="}
    assert list(dtype.names or ()) == members(structure)


@pytest.mark.parametrize("target", ["x86_64-linux-gnu", "aarch64-linux-gnu"])
def test_the_layout_is_the_same_for_each_processor(target: str, tmp_path: Path) -> None:
    pytest.importorskip("ziglang")
    asserts = [
        f"_Static_assert(sizeof(struct {name}) == {STRUCTURES[name].itemsize}, {name!r});"
        for name in STRUCTURES
    ]
    asserts += [
        f'_Static_assert(offsetof(struct {structure}, {name}) == {offset}, "{structure}.{name}");'
        for structure in STRUCTURES
        for name, _, offset in fields(STRUCTURES[structure])
    ]
    source = tmp_path / "layout.c"
    source.write_text(
        "\n".join(["#include <stddef.h>", f'#include "{HEADER}"', *asserts, ""]).replace("'", '"')
    )
    command = [
        *compiler(),
        "-target",
        target,
        "-Wall",
        "-Werror",
        "-c",
        str(source),
        "-o",
        str(tmp_path / "layout.o"),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("structure", STRUCTURES)
def test_every_structure_has_the_same_size_and_no_hole(layout: Layout, structure: str) -> None:
    dtype = STRUCTURES[structure]
    assert dtype.itemsize == layout[structure]["="][1]
    assert dtype.itemsize % 8 == 0
    assert sum(part.itemsize for _, part, _ in fields(dtype)) == dtype.itemsize


def test_versions_flags_and_kinds_are_the_same(layout: Layout) -> None:
    assert {name: size for name, (_, size) in layout["number"].items()} == NUMBERS


@pytest.mark.parametrize("structure", STRUCTURES)
def test_every_column_is_little_endian_and_naturally_aligned(structure: str) -> None:
    for name, dtype, offset in fields(STRUCTURES[structure]):
        assert dtype.byteorder in ("<", "|", "="), name
        assert dtype.kind == "S" or offset % dtype.itemsize == 0, name
