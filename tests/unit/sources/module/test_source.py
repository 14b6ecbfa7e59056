"""What the module source makes of the streams; the module itself is in tests/kernel/vm."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.events import death, execution, reaping
from tukur.records import EVENT_VERSION, RECORD_VERSION, TASK
from tukur.sources.base import SourceUnavailableError
from tukur.sources.module.source import ModuleSource

MAGIC = 0x524B4B54


def header(version: int = RECORD_VERSION, size: int = TASK.itemsize, magic: int = MAGIC) -> bytes:
    return struct.pack("=IIII", magic, version, size, 0)


def tasks(*pids: int) -> Any:
    made = np.zeros(len(pids), dtype=TASK)
    made["pid"] = pids
    made["start_ns"] = 7
    made["comm"] = b"made-up"
    return made


def source(folder: Path, stream: bytes, events: bytes | None = None) -> ModuleSource:
    (folder / "tasks").write_bytes(stream)
    if events is not None:
        (folder / "events").write_bytes(header(EVENT_VERSION, 0) + events)
    return ModuleSource(folder / "tasks", folder / "events")


def test_the_records_are_read_as_they_are_each_time_from_the_beginning(tmp_path: Path) -> None:
    made = tasks(1, 5, 9)
    found = source(tmp_path, header() + made.tobytes())
    for _ in range(3):
        assert found.read().tobytes() == made.tobytes()
    found.close()


def test_a_reading_is_not_changed_by_the_next(tmp_path: Path) -> None:
    found = source(tmp_path, header() + tasks(1).tobytes())
    first = found.read()
    (tmp_path / "tasks").write_bytes(header() + tasks(2).tobytes())
    assert (found.read()["pid"].tolist(), first["pid"].tolist()) == ([2], [1])
    found.close()


def test_many_processes_fit_however_large_the_first_buffer_was(tmp_path: Path) -> None:
    made = tasks(*range(1, 20_001))
    found = source(tmp_path, header() + made.tobytes())
    assert found.read()["pid"].tolist() == list(range(1, 20_001))
    found.close()


def test_no_process_is_an_empty_table(tmp_path: Path) -> None:
    found = source(tmp_path, header())
    assert len(found.read()) == 0
    found.close()


def test_a_longer_record_of_a_newer_module_is_read_as_far_as_it_is_known(tmp_path: Path) -> None:
    longer = b"".join(bytes(row.tobytes()) + b"\xff" * 16 for row in tasks(3, 4))
    found = source(tmp_path, header(RECORD_VERSION + 1, TASK.itemsize + 16) + longer)
    assert found.read().tobytes() == tasks(3, 4).tobytes()
    found.close()


def test_what_a_shorter_record_of_an_older_module_lacks_is_zero(tmp_path: Path) -> None:
    shorter = b"".join(bytes(row.tobytes())[:-16] for row in tasks(3))
    found = source(tmp_path, header(RECORD_VERSION, TASK.itemsize - 16) + shorter)
    (row,) = found.read()
    assert (int(row["pid"]), bytes(row["comm"])) == (3, b"")
    found.close()


@pytest.mark.parametrize(
    ("stream", "said"),
    [
        (b"", "0 bytes"),
        (header(magic=1), "0x00000001"),
        (header(size=0), "records of 0 bytes"),
        (header(size=13), "records of 13 bytes"),
    ],
)
def test_a_file_that_is_no_such_stream_is_told(tmp_path: Path, stream: bytes, said: str) -> None:
    with pytest.raises(SourceUnavailableError, match=said):
        source(tmp_path, stream)


def test_a_stream_that_ends_within_a_record_is_an_error_of_that_reading(tmp_path: Path) -> None:
    found = source(tmp_path, header() + tasks(1).tobytes()[:-8])
    with pytest.raises(ValueError, match="bytes into a record"):
        found.read()
    found.close()


def test_without_the_module_the_remedy_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailableError, match="tukur module install"):
        ModuleSource(tmp_path / "tasks", tmp_path / "events")


def test_without_events_it_works_and_says_what_it_does_not_see(tmp_path: Path) -> None:
    found = source(tmp_path, header() + tasks(1).tobytes())
    assert "not seen" in found.blind_spots[0]
    assert not found.departed(found.read())
    found.close()


def test_events_of_the_module_are_lives_as_those_of_ebpf(tmp_path: Path) -> None:
    events = execution(7, b"true\0") + death(7, comm=b"true", status=256) + reaping(7, cpu_ns=5, status=256)
    found = source(tmp_path, header() + tasks(1).tobytes(), events)
    assert found.blind_spots == ()
    departed = found.departed(found.read())
    assert (departed.tasks["pid"].tolist(), departed.args) == ([7], [b"true\0"])
    assert (departed.status.tolist(), departed.tasks["cpu_ns"].tolist()) == ([256], [5])
    found.close()


def test_closing_twice_does_no_harm(tmp_path: Path) -> None:
    found = source(tmp_path, header(), b"")
    found.close()
    found.close()
