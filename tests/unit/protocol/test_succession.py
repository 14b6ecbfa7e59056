"""An order key is followed only by what it has signed."""

from hypothesis import given
from hypothesis import strategies as st

from tukur.protocol import auth
from tukur.protocol.messages import Successor

KEYS = [auth.new_key() for _ in range(6)]
PUBLIC = [auth.public_key(key) for key in KEYS]


def step(old: int, new: int, signer: int | None = None) -> Successor:
    text = auth.successor_text(PUBLIC[old], PUBLIC[new])
    return Successor(PUBLIC[old], PUBLIC[new], auth.sign(KEYS[old if signer is None else signer], text))


CHAIN = tuple(step(at, at + 1) for at in range(4))


@given(st.integers(0, 4))
def test_from_any_key_of_the_chain_the_way_leads_to_the_newest(pinned: int) -> None:
    assert auth.follow(PUBLIC[pinned], CHAIN) == PUBLIC[4]


def test_a_key_that_is_not_of_the_chain_stays() -> None:
    assert auth.follow(PUBLIC[5], CHAIN) == PUBLIC[5]
    assert auth.follow(PUBLIC[0], ()) == PUBLIC[0]


def test_a_step_that_another_key_signed_leads_nowhere() -> None:
    assert auth.follow(PUBLIC[0], (step(0, 5, signer=5),)) == PUBLIC[0]
    assert auth.follow(PUBLIC[0], (CHAIN[0], step(1, 5, signer=0))) == PUBLIC[1]


def test_a_signature_for_another_step_is_none_for_this() -> None:
    moved = Successor(PUBLIC[0], PUBLIC[5], CHAIN[0].signature)
    assert auth.follow(PUBLIC[0], (moved,)) == PUBLIC[0]
