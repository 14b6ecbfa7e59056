"""What the provider's words make somebody."""

import pytest

from tukur.hub.auth.identity import Rights, Role
from tukur.hub.oidc.settings import combine_rights, parse_roles


def test_a_value_gives_roles_on_all_hosts_and_on_groups() -> None:
    roles = parse_roles(["ops=operator", "web=admin@web", "web=viewer@db", "cn=on call=viewer", "ops=viewer"])
    assert roles["ops"] == Rights(Role.OPERATOR)
    assert roles["web"] == Rights(Role.NONE, {"web": Role.ADMIN, "db": Role.VIEWER})
    assert roles["cn=on call"] == Rights(Role.VIEWER)


def test_of_several_values_the_highest_role_counts_for_each_group() -> None:
    roles = parse_roles(["a=viewer", "b=operator@web", "c=admin@web", "d=viewer@web"])
    assert combine_rights(roles, ["d", "a", "c", "b", "unknown"]) == Rights(Role.VIEWER, {"web": Role.ADMIN})
    assert combine_rights(roles, []) == combine_rights(roles, ["unknown"]) == Rights(Role.NONE)


@pytest.mark.parametrize("text", ["ops", "=viewer", "ops=", "ops=root", "ops=viewer@", "ops=viewer@No Group"])
def test_a_role_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_roles([text])
