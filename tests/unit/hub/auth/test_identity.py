"""Roles and secrets."""

import pytest

from tukur.hub.auth.identity import Role, hash_of, new_secret


def test_each_role_may_do_what_the_one_before_it_may() -> None:
    assert Role.VIEWER < Role.OPERATOR < Role.ADMIN
    assert [Role.of(role.word) for role in Role] == list(Role)


def test_an_unknown_role_is_told_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match="'root'; one of viewer, operator, admin expected"):
        Role.of("root")


def test_secrets_differ_and_their_hash_says_nothing_of_them() -> None:
    first, second = new_secret("tukur_"), new_secret("tukur_")
    assert first != second
    assert first.startswith("tukur_")
    assert len(first) > 40
    assert len(hash_of(first)) == 32
    assert first.encode() not in hash_of(first)
