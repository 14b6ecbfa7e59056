"""What only this hub can open."""

from pathlib import Path

import pytest

from tukur.hub.auth.account_key import FILE, AccountKey


def test_what_was_sealed_opens_for_its_purpose_and_owner_only(tmp_path: Path) -> None:
    key = AccountKey(tmp_path)
    sealed = key.seal("totp", "1", b"secret")
    assert key.seal("totp", "1", b"secret") != sealed
    assert AccountKey(tmp_path).open("totp", "1", sealed) == b"secret"
    assert key.open("totp", "2", sealed) is None
    assert key.open("device", "1", sealed) is None
    (tmp_path / "other").mkdir()
    assert AccountKey(tmp_path / "other").open("totp", "1", sealed) is None


@pytest.mark.parametrize("text", ["", "AAAA", "no base 64", "\u00e9", "=" * 10, "A" * 100])
def test_what_was_not_sealed_is_nothing(tmp_path: Path, text: str) -> None:
    assert AccountKey(tmp_path).open("totp", "1", text) is None


def test_the_key_is_its_owners_alone(tmp_path: Path) -> None:
    AccountKey(tmp_path)
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
