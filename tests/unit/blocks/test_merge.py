"""Consecutive blocks become one, and nothing that was in them is another."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.blocks.test_blocks import SECOND, WALL, block_of, histories, snapshot, tasks_of
from tukur.blocks import (
    MAX_SAMPLES,
    BlockBuilder,
    BlockDamagedError,
    Encoded,
    decode_host,
    decode_samples,
    decode_table,
    decode_totals,
    merge_blocks,
)


def blocks_of(tables: list[Any], cuts: set[int], *, seeded: bool) -> list[Encoded]:
    """The tables as blocks that end at the cuts; with `seeded` a block went before them."""
    builder = BlockBuilder()
    if seeded:
        builder.add(snapshot(-1, tables[0]))
        builder.finish()
    blocks = []
    for step, table in enumerate(tables):
        builder.add(snapshot(step, table))
        if step in cuts or step == len(tables) - 1:
            blocks.append(builder.finish())
    return blocks


def merged(blocks: list[Encoded]) -> Encoded:
    return merge_blocks([(block.tasks, block.host, None) for block in blocks])


@given(tables=histories(), cuts=st.sets(st.integers(0, 7)), seeded=st.booleans())
def test_any_blocks_that_follow_each_other_merge_to_the_same_samples(
    tables: list[Any], cuts: set[int], seeded: bool
) -> None:
    parts = blocks_of(tables, cuts, seeded=seeded)
    whole = merged(parts)
    before = [sample for part in parts for sample in decode_samples(part.tasks)]
    after = list(decode_samples(whole.tasks))
    assert [at[:2] for at in after] == [at[:2] for at in before]
    assert all(np.array_equal(new, old) for (*_, new), (*_, old) in zip(after, before, strict=True))
    assert decode_host(whole.host) == [point for part in parts for point in decode_host(part.host)]
    assert (whole.samples, whole.first_ns, whole.last_ns) == (
        len(tables),
        parts[0].first_ns,
        parts[-1].last_ns,
    )
    table = decode_table(whole.tasks, WALL)
    known = decode_table(parts[0].tasks, WALL)
    assert np.array_equal(table.previous, known.previous)
    assert table.previous_boot_ns == known.previous_boot_ns


def test_what_each_life_did_is_the_same_in_one_block_as_in_many() -> None:
    tables = [tasks_of({"pid": 7, "start_ns": 1, "cpu_ns": step * step}) for step in range(9)]
    parts = blocks_of(tables, {2, 5}, seeded=True)
    whole = merged(parts)
    span = (WALL, WALL + 9 * SECOND)
    spent = sum(int(decode_totals(part.tasks, *span)["cpu_ns"].sum()) for part in parts)
    assert int(decode_totals(whole.tasks, *span)["cpu_ns"].sum()) == spent == 64


def test_blocks_with_a_hole_between_them_are_not_merged() -> None:
    tables = [tasks_of({"pid": 7, "start_ns": 1})] * 3
    first, middle, last = blocks_of(tables, {0, 1}, seeded=False)
    with pytest.raises(ValueError, match="does not go on"):
        merged([first, last])
    with pytest.raises(ValueError, match="does not go on"):
        merged([middle, block_of(tables[0])])


def test_more_samples_than_a_block_holds_are_refused() -> None:
    tables = [tasks_of({"pid": 7, "start_ns": 1})] * (MAX_SAMPLES + 1)
    with pytest.raises(ValueError, match="more than"):
        merged(blocks_of(tables, {30}, seeded=False))


def test_columns_of_two_different_blocks_are_damage() -> None:
    tables = [tasks_of({"pid": 7, "start_ns": 1})] * 4
    first, last = blocks_of(tables, {1}, seeded=False)
    with pytest.raises(BlockDamagedError, match="not of the same samples"):
        merge_blocks([(first.tasks, last.host, None)])
