"""The fuzzing's targets with a few hundred inputs each; ``python -m tests.fuzz`` goes on for hours."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS, Target

MUTATIONS = 300


def mutated(data: bytes, dice: random.Random) -> bytes:
    """A good sample with a few things wrong with it."""
    changed = bytearray(data)
    for _ in range(dice.randint(1, 6)):
        at = dice.randrange(len(changed) + 1)
        match dice.randrange(5):
            case 0 if changed:
                changed[at % len(changed)] = dice.randrange(256)
            case 1:
                changed[at:at] = dice.randbytes(dice.randint(1, 9))
            case 2:
                del changed[at : at + dice.randint(1, 9)]
            case 3:
                changed[at:at] = changed[: dice.randint(1, 40)]
            case _:
                changed[at : at + 9] = b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff"
    return bytes(changed)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_a_good_sample_with_something_wrong_raises_nothing_unforeseen(target: Target) -> None:
    dice = random.Random(target.name)
    for sample in target.samples:
        target.read(sample)
        for _ in range(MUTATIONS):
            target.read(mutated(sample, dice))


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_any_bytes_raise_nothing_unforeseen(target: Target) -> None:
    @settings(max_examples=100, deadline=None, database=None)
    @given(st.binary(max_size=300))
    def read(data: bytes) -> None:
        target.read(data)

    read()
