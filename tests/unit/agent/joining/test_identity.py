"""The file in which a machine keeps who it is to its hub."""

from pathlib import Path

import msgspec
import pytest

from tukur.agent.joining.identity import GivenIdentity, Identity, IdentityError, JoinedFile

IDENTITY = Identity(
    hub="https://hub.example",
    host_id="11111111-2222-3333-4444-555555555555",
    key=bytes(range(32)),
    order_key=bytes(32),
    authorities=[b"old"],
)


def test_it_is_read_as_it_was_saved(tmp_path: Path) -> None:
    file = JoinedFile(tmp_path)
    assert not file.exists()
    file.save(IDENTITY)
    assert file.exists()
    assert file.load() == IDENTITY


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_file_that_others_can_read_or_write_is_not_used(mode: int, tmp_path: Path) -> None:
    file = JoinedFile(tmp_path)
    file.save(IDENTITY)
    file.path.chmod(mode)
    with pytest.raises(IdentityError, match=f"{mode:04o}.*0600"):
        file.load()


@pytest.mark.parametrize("text", ["", "{}", '{"hub": 1}', "\0"])
def test_what_is_no_identity_is_told(text: str, tmp_path: Path) -> None:
    file = JoinedFile(tmp_path)
    file.save(IDENTITY)
    file.path.write_text(text)
    with pytest.raises(IdentityError, match="is no identity"):
        file.load()


def test_other_authorities_take_the_place_of_those_that_are_pinned(tmp_path: Path) -> None:
    file = JoinedFile(tmp_path)
    file.save(IDENTITY)
    assert file.trust_authorities([b"new", b"old"])
    assert not file.trust_authorities([b"new", b"old"])
    assert file.load() == msgspec.structs.replace(IDENTITY, authorities=[b"new", b"old"])


def test_who_trusts_the_systems_authorities_pins_none_later(tmp_path: Path) -> None:
    file = JoinedFile(tmp_path)
    file.save(msgspec.structs.replace(IDENTITY, authorities=None))
    assert not file.trust_authorities([b"new"])
    assert file.load().trust.authorities is None


def test_a_pinned_file_that_is_not_there_or_holds_nothing_is_told(tmp_path: Path) -> None:
    with pytest.raises(IdentityError, match=r"nowhere\.pem cannot be read"):
        GivenIdentity(IDENTITY, tmp_path / "nowhere.pem").load()
    (tmp_path / "text.pem").write_text("nonsense")
    with pytest.raises(IdentityError, match=r"text\.pem holds no certificate"):
        GivenIdentity(IDENTITY, tmp_path / "text.pem").load()
