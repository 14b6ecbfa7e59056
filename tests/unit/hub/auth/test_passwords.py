"""Which passwords are taken, and what is kept of them."""

import asyncio
import time

import pytest
from argon2 import PasswordHasher

from tukur.hub.auth import passwords
from tukur.hub.auth.passwords import Passwords, rejection_reason
from tukur.hub.errors import ProblemError

GOOD = "four owls on a wire"


@pytest.mark.parametrize(
    "password",
    [GOOD, "x7" * 6 + "z9", "twelve chars", "ünïcödé wörds", "🦉🦊🐻🐼🐨🐯🦁🐮🐷🐸🐵🐔", "a b" * 42 + "cd"],
)
def test_any_characters_make_a_password_if_there_are_enough(password: str) -> None:
    assert rejection_reason(password, "ada") is None


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("eleven char", "11 characters; 12 to 128 expected"),
        ("", "0 characters"),
        ("ab cd" * 26, "130 characters"),
        ("password1234", "too common"),
        ("PASSWORD1234", "too common"),
        ("Password1234!!", "too common"),
        ("aaaaaaaaaaaaaaaa", "too common"),
        ("123123123123123", "too common"),
        ("correcthorsebatterystaple", "too common"),
        ("ada.lovelace12", "little more than a name"),
        ("Ada.LovelaceAda.Lovelace", "little more than a name"),
        ("tukurtukur2026", "little more than a name"),
    ],
)
def test_a_password_that_is_guessed_first_is_refused_with_the_reason(password: str, words: str) -> None:
    assert words in str(rejection_reason(password, "ada.lovelace"))


async def test_a_password_fits_whichever_way_its_letters_were_composed() -> None:
    kept = await Passwords().hash("cafe\u0301 au lait noir")
    assert await Passwords().verify(kept, "caf\u00e9 au lait noir")
    assert not await Passwords().verify(kept, "cafe au lait noir")


async def test_what_is_kept_is_argon2id_of_at_least_owasps_parameters_and_never_twice_the_same() -> None:
    first, second = [await Passwords().hash(GOOD) for _ in range(2)]
    assert first.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert first != second
    assert not Passwords().needs_rehash(first)
    assert Passwords(PasswordHasher(time_cost=3, memory_cost=19_456, parallelism=1)).needs_rehash(first)


async def test_nobodys_password_takes_as_long_to_refuse_as_somebodys() -> None:
    own = Passwords()
    kept = await own.hash(GOOD)
    await own.verify(None, GOOD)
    took: dict[str | None, list[float]] = {kept: [], None: []}
    for _ in range(9):
        for hashed, times in took.items():
            begin = time.thread_time(), time.perf_counter()
            assert not await own.verify(hashed, "another password")
            times.append(time.perf_counter() - begin[1])
    known, unknown = (min(times) for times in took.values())
    assert 0.5 < known / unknown < 2


async def test_a_hash_that_is_damaged_lets_nobody_in() -> None:
    for kept in ("", "$argon2id$v=19$m=19456", "plain text", "\0"):
        assert not await Passwords().verify(kept, GOOD)


async def test_the_loop_goes_on_while_passwords_are_hashed_and_few_are_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own, now, max_running = Passwords(), 0, 0
    real = own._verify

    def counted(kept: str | None, password: str) -> bool:
        nonlocal now, max_running
        now += 1
        max_running = max(max_running, now)
        try:
            return real(kept, password)
        finally:
            now -= 1

    monkeypatch.setattr(own, "_verify", counted)
    tries = [asyncio.create_task(own.verify(None, GOOD)) for _ in range(12)]
    ticks = 0
    while not all(task.done() for task in tries):
        await asyncio.sleep(0.001)
        ticks += 1
    assert max_running == passwords._MAX_CONCURRENT
    assert ticks > 12


async def test_a_crowd_that_signs_in_at_once_is_sent_away_before_it_takes_the_memory() -> None:
    own = Passwords()
    done = await asyncio.gather(*(own.verify(None, GOOD) for _ in range(60)), return_exceptions=True)
    refused = [each for each in done if isinstance(each, ProblemError)]
    assert {each.code for each in refused} == {"busy"}
    assert len(refused) == 60 - passwords._MAX_WAITING
    assert not await own.verify(None, GOOD)
