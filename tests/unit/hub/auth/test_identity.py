"""Roles on all hosts and on groups of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tukur.hub.auth.identity import Rights, Role, parse_host_groups

GROUPS = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,62}", fullmatch=True)


@given(st.sampled_from(Role), st.dictionaries(GROUPS, st.sampled_from(Role), max_size=15))
def test_rights_come_back_from_what_the_database_keeps(role: Role, grants: dict[str, Role]) -> None:
    rights = Rights(role, grants)
    assert Rights.parse(role.label, rights.grants_text()) == rights
    assert len(rights.grants_text()) <= 2000


@given(st.sampled_from(Role), st.dictionaries(GROUPS, st.sampled_from(Role)), st.sets(GROUPS))
def test_a_role_on_a_host_is_the_highest_of_all_hosts_and_of_its_groups(
    role: Role, grants: dict[str, Role], groups: set[str]
) -> None:
    found = Rights(role, grants).on(groups)
    assert found >= role
    assert found == role or any(grants.get(group) == found for group in groups)
    assert all(found >= grants[group] for group in groups if group in grants)


def test_a_role_on_a_group_is_none_elsewhere() -> None:
    rights = Rights(Role.NONE, {"web": Role.ADMIN})
    assert rights.on({"db"}) is Role.NONE
    assert rights.on(()) is Role.NONE
    assert rights.max_role is Role.ADMIN


@pytest.mark.parametrize("word", ["", "Web", "a b", "a=b", "-a", "x" * 64, "ñ"])
def test_what_is_no_name_of_a_group_is_told(word: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_host_groups([word])


def test_a_host_is_in_no_more_groups_than_fit() -> None:
    assert parse_host_groups(["b", "a", "b"]) == ("a", "b")
    with pytest.raises(ValueError, match="at most 15"):
        parse_host_groups([f"g{at}" for at in range(16)])


def test_a_word_that_is_no_role_is_told() -> None:
    with pytest.raises(ValueError, match="role 'root'; one of none, viewer, operator, admin expected"):
        Role.parse("root")
