"""The form of a segment, and that its description is true."""

import re
import subprocess
import sys
from pathlib import Path

from tests.support.spool import BOOT, put, segments, span
from tukur.agent.spool import format as form
from tukur.agent.spool.spool import Spool

DOCUMENT = Path(__file__).resolve().parents[4] / "docs" / "reference" / "spool.md"


def scanned(content: bytes) -> list[form.Record | form.Broken]:
    return list(form.scan(lambda at, length: content[at : at + length], len(content)))


def test_a_record_is_read_as_it_was_written() -> None:
    content = form.encode(form.Kind.BLOCK, span(7), b"data")
    (record,) = scanned(content)
    assert isinstance(record, form.Record)
    assert (record.at, record.kind, record.span, record.length) == (0, form.Kind.BLOCK, span(7), 4)
    assert form.data_of(record, content) == b"data"
    assert form.head_crc(content) == record.head_crc
    assert form.size_of(4) == len(content)


def test_a_record_of_a_kind_that_is_not_known_yet_is_stepped_over() -> None:
    later = form.encode(77, span(1), b"?")  # type: ignore[arg-type]
    found = scanned(later + form.encode(form.Kind.BLOCK, span(2), b"data"))
    assert [record.kind for record in found if isinstance(record, form.Record)] == [77, form.Kind.BLOCK]


def test_reading_goes_on_after_damage_however_far_the_next_head_is() -> None:
    good = form.encode(form.Kind.BLOCK, span(2), b"data")
    for length in (1, 3, 64, 65_534, 65_535, 65_536, 65_537, 200_000):
        found = scanned(b"\xff" * length + good)
        assert found[0] == form.Broken(0, length, torn=False)
        assert isinstance(found[1], form.Record)
        assert found[1].at == length


def test_nothing_but_what_a_cut_off_write_leaves_is_torn() -> None:
    record = form.encode(form.Kind.BLOCK, span(2), bytes(1000))
    for end in range(1, len(record)):
        (found,) = scanned(record[:end])
        assert isinstance(found, form.Broken)
        assert found.torn
    (zeros,) = scanned(bytes(100_000))
    assert isinstance(zeros, form.Broken)
    assert zeros.torn
    (noise,) = scanned(b"\xaa" * 1000)
    assert isinstance(noise, form.Broken)
    assert not noise.torn


def test_acknowledgements_that_are_not_intact_are_none() -> None:
    entries = form.encode_ack(0, 11) + form.encode_ack(100, 12)
    assert form.decode_acks(entries) == {0: 11, 100: 12}
    assert form.decode_acks(entries[:-1]) == {0: 11}
    assert form.decode_acks(b"\x01" + entries[1:]) == {100: 12}


def test_the_program_in_the_document_reads_a_segment(tmp_path: Path) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    put(Spool(tmp_path), 1, 2)
    (segment,) = segments(tmp_path)
    content = bytearray(segment.read_bytes())
    content[-6] ^= 1
    segment.write_bytes(content)
    command = [sys.executable, "-c", program, str(segment)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    first, second = span(1), span(2)
    assert lines == [
        f"0 block {BOOT} {first.first_ns} {first.last_ns} 10 True",
        f"168 block {BOOT} {second.first_ns} {second.last_ns} 10 False",
    ]
