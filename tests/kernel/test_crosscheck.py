"""The sources that work on this machine say the same of every process, while it is busy."""

import contextlib
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator

import pytest

from tukur.records import TASK
from tukur.sources.base import Source, SourceUnavailableError
from tukur.sources.bpf.source import FORMS, BpfSource
from tukur.sources.crosscheck import MIN_READINGS, compare_all, compare_readings, take
from tukur.sources.registry import SOURCES

LOAD = textwrap.dedent(
    """
    import mmap, os, subprocess, sys, threading, time
    def burn():
        while True:
            sum(range(10_000))
            time.sleep(0.001)
    def breathe():
        while True:
            area = mmap.mmap(-1, 16 << 20)
            for at in range(0, 16 << 20, 4096):
                area[at] = 1
            time.sleep(0.01)
            area.close()
            threading.Thread(target=time.sleep, args=(0.01,)).start()
            subprocess.run(["true"])
    for work in (burn, breathe):
        threading.Thread(target=work, daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()
    """
)


@contextlib.contextmanager
def load() -> Iterator[None]:
    command = [sys.executable, "-c", LOAD]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            yield
        finally:
            child.kill()


@pytest.fixture
def sources() -> Iterator[list[Source]]:
    found: list[Source] = []
    for _, make in SOURCES:
        with contextlib.suppress(SourceUnavailableError):
            found.append(make())
    yield found
    for source in found:
        source.close()


def test_they_agree_about_every_field_under_load(sources: list[Source]) -> None:
    if len(sources) < 2:
        pytest.skip("only one source works here")
    with load():
        readings = take(sources, seconds=4, pause_s=0.1)
    assert len(readings[0]) >= MIN_READINGS
    for comparison in compare_all([source.name for source in sources], readings, os.cpu_count() or 1):
        assert [field for field in comparison.fields if not field.agrees] == []
        assert {field.field for field in comparison.fields} < {*(TASK.names or ()), "(presence)"}
        assert all(field.equal + field.within for field in comparison.fields)


@pytest.fixture
def forms() -> Iterator[list[BpfSource]]:
    found: list[BpfSource] = []
    for form in FORMS:
        with contextlib.suppress(SourceUnavailableError):
            found.append(BpfSource(form))
    yield found
    for source in found:
        source.close()


def test_both_forms_of_the_ebpf_source_agree_about_every_field_under_load(forms: list[BpfSource]) -> None:
    if len(forms) < 2:
        pytest.skip("only one form works here")
    with load():
        readings = take(forms, seconds=4, pause_s=0.1)
    walks, iterators = readings
    # The other way round it is the next walk that lies between two readings of the iterator.
    for first, second in ((walks, iterators), (iterators, walks[1:])):
        comparison = compare_readings("bpf", "bpf", first, second, os.cpu_count() or 1)
        assert [field for field in comparison.fields if not field.agrees] == []
        assert all(field.equal + field.within for field in comparison.fields)
