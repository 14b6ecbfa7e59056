"""Which capabilities a status of /proc tells of."""

import pytest

from tukur.sources.capabilities import NUMBERS, effective, parse_effective


def test_the_effective_ones_are_told_by_their_bits() -> None:
    assert parse_effective("Name:\tx\nCapPrm:\t000001ffffffffff\nCapEff:\t0000008000080000\n") == {
        "CAP_SYS_PTRACE",
        "CAP_BPF",
    }
    assert parse_effective("CapEff:\t0000000000000000\n") == frozenset()
    assert parse_effective("CapEff:\t000001ffffffffff\n") == NUMBERS.keys()


def test_a_status_without_them_is_refused() -> None:
    with pytest.raises(ValueError, match="no CapEff line"):
        parse_effective("Name:\tx\n")


def test_this_programs_own_can_be_read() -> None:
    assert effective() <= NUMBERS.keys()
