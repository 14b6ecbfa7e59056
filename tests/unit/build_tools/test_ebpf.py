"""The eBPF programs are compiled by what PyPI gives, and again only when something changed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from build_tools.ebpf import FLAGS, CompileError, compile_all

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "native", tmp_path / "native")
    (tmp_path / "src/tukur/sources").mkdir(parents=True)
    return tmp_path


def test_every_program_becomes_an_object_for_libbpf(checkout: Path) -> None:
    pytest.importorskip("ziglang")
    made = compile_all(checkout)
    assert [path.name for path in made] == ["lives.bpf.o", "tasks.bpf.o", "walk.bpf.o"]
    for content in (path.read_bytes() for path in made):
        assert content[:4] == b"\x7fELF"
        # Machine 247 is BPF; .BTF.ext has the relocations that make it fit the running kernel.
        assert int.from_bytes(content[18:20], "little") == 247
        assert b".BTF.ext" in content
        assert str(checkout).encode() not in content


def test_two_builds_of_one_checkout_are_the_same_bytes(checkout: Path) -> None:
    pytest.importorskip("ziglang")
    first = [path.read_bytes() for path in compile_all(checkout)]
    for path in compile_all(checkout):
        path.unlink()
    assert [path.read_bytes() for path in compile_all(checkout)] == first


def test_nothing_is_compiled_again_unless_a_source_is_newer(checkout: Path) -> None:
    pytest.importorskip("ziglang")
    made = compile_all(checkout)[0]
    before = made.stat().st_mtime_ns
    assert compile_all(checkout)[0].stat().st_mtime_ns == before
    header = checkout / "native/include/tukur_record.h"
    later = made.stat().st_mtime + 5
    os.utime(header, (later, later))
    assert compile_all(checkout)[0].stat().st_mtime_ns != before


def test_a_program_that_does_not_compile_says_why_and_leaves_nothing(checkout: Path) -> None:
    pytest.importorskip("ziglang")
    (checkout / "native/bpf/lives.bpf.c").write_text("int broken(")
    with pytest.raises(CompileError, match=r"lives\.bpf\.c does not compile:\n.*error"):
        compile_all(checkout)
    assert list((checkout / "src/tukur/sources").iterdir()) == []


def test_a_folder_without_programs_is_no_checkout(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match=r"no \*\.bpf\.c in"):
        compile_all(tmp_path)


def test_the_objects_are_the_same_for_each_processor(checkout: Path) -> None:
    pytest.importorskip("ziglang")
    made = {path.name: path.read_bytes() for path in compile_all(checkout)}
    # What a source could ask for to be another on another processor.
    for macro in ("__x86_64__", "__aarch64__", "__TARGET_ARCH_x86", "__TARGET_ARCH_arm64"):
        for name, content in made.items():
            source = checkout / "native" / "bpf" / name.replace(".o", ".c")
            other = checkout / "other.o"
            command: list[str | Path]
            command = [
                sys.executable,
                "-m",
                "ziglang",
                "cc",
                *FLAGS,
                f"-D{macro}=1",
                "-c",
                source.name,
                "-o",
                other,
            ]
            subprocess.run(command, cwd=source.parent, check=True)
            assert other.read_bytes() == content, macro
