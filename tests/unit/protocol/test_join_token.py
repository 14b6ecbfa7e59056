"""The text of a join token."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tukur.protocol.join_token import PREFIX, SECRET, JoinToken, TokenError

SECRETS = st.binary(min_size=SECRET, max_size=SECRET)


HASHES = st.none() | st.binary(min_size=32, max_size=32)


@given(SECRETS, HASHES, HASHES)
def test_a_token_is_read_as_it_was_written(
    secret: bytes, authority: bytes | None, installer: bytes | None
) -> None:
    token = JoinToken(secret, authority, installer)
    assert JoinToken.parse(f" {token.text()}\n") == token


@given(HASHES, HASHES)
def test_a_token_of_a_machine_that_proves_who_it_is_holds_no_secret(
    authority: bytes | None, installer: bytes | None
) -> None:
    token = JoinToken(b"", authority, installer)
    assert JoinToken.parse(token.text()) == token


@given(SECRETS, st.binary(min_size=32, max_size=32), st.data())
def test_a_token_with_one_character_changed_or_lost_is_none(
    secret: bytes, authority: bytes, data: st.DataObject
) -> None:
    text = JoinToken(secret, authority).text()
    at = data.draw(st.integers(len(PREFIX), len(text) - 2))
    other = data.draw(st.sampled_from("AbZ09_-").filter(lambda letter: letter != text[at]))
    for wrong in (text[:at] + other + text[at + 1 :], text[:at] + text[at + 1 :]):
        with pytest.raises(TokenError):
            JoinToken.parse(wrong)


@given(st.text() | st.text(alphabet="abcXYZ019-_=").map(lambda text: PREFIX + text))
def test_any_other_text_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(TokenError) as refused:
        JoinToken.parse(text)
    assert len(text) < 12 or text not in str(refused.value)
