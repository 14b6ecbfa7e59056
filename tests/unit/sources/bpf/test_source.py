"""What the bpf source finds out about the machine; the kernel itself is in tests/kernel."""

import pytest

from tukur.sources.bpf.source import parse_cpu_list, symbol_address


@pytest.mark.parametrize(("text", "count"), [("0-3\n", 4), ("0\n", 1), ("0,2-3\n", 0), ("1-3", 0), ("", 0)])
def test_only_a_list_of_cpus_without_gaps_counts(text: str, count: int) -> None:
    assert parse_cpu_list(text) == count


def test_a_symbol_is_found_by_its_whole_name_hidden_or_not() -> None:
    table = "0000 A fixed\nffffffff82a1 D __per_cpu_offset\n0000 d hidden\t[m]\n0000 d gone\n"
    assert symbol_address(table, "__per_cpu_offset") == 0xFFFFFFFF82A1
    assert symbol_address(table, "gone") == 0
    assert symbol_address(table, "per_cpu_offset") is None
