"""A program that cannot be loaded says why in one line."""

import subprocess
import sys

import pytest

from tukur.sources.base import SourceUnavailableError
from tukur.sources.bpf import libbpf


def test_bytes_that_are_no_program_are_refused_with_the_librarys_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(libbpf, "KERNEL_BTF", type(libbpf.KERNEL_BTF)("/"))
    if libbpf.library_found():
        pytest.skip(libbpf.library_found())
    with pytest.raises(SourceUnavailableError, match=r"the object cannot be opened: \w+"):
        libbpf.BpfObject(b"not an object" * 100)


def test_a_kernel_without_types_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libbpf, "KERNEL_BTF", type(libbpf.KERNEL_BTF)("/nowhere/btf"))
    with pytest.raises(SourceUnavailableError, match=r"/nowhere/btf is missing.*CONFIG_DEBUG_INFO_BTF"):
        libbpf.BpfObject(b"")


def test_a_missing_library_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libbpf, "LIBRARY", "libbpf-that-is-not-there.so.1")
    libbpf._library.cache_clear()
    try:
        assert "install the package libbpf1" in libbpf.library_found()
    finally:
        monkeypatch.undo()
        libbpf._library.cache_clear()


def test_importing_it_loads_nothing() -> None:
    code = "import tukur.sources.registry; print('libbpf' in open('/proc/self/maps').read())"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"
