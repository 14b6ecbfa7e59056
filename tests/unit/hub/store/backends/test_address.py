"""URLs of databases."""

from pathlib import Path

import pytest

from tukur.hub.store.backends.address import ServerAddress, parse_address


def test_a_url_names_user_host_and_database() -> None:
    assert parse_address("mysql://owl@db.example:3307/record") == ServerAddress(
        "owl", "record", host="db.example", port=3307, ssl_mode="VERIFY_IDENTITY"
    )
    assert parse_address("mariadb://owl@localhost/record").port == 3306
    assert parse_address("mysql://owl@[::1]:3310/record").host == "::1"


def test_what_a_url_must_escape_is_read_as_it_was_meant(tmp_path: Path) -> None:
    address = parse_address(f"mysql://o%40wl:p%2F%3A%25ss@localhost/my%20record?socket={tmp_path}")
    assert (address.user, address.password, address.database) == ("o@wl", "p/:%ss", "my record")
    assert address.socket == str(tmp_path)


def test_a_password_is_never_shown() -> None:
    address = parse_address("mysql://owl:secret@db.example/record")
    assert address.password == "secret"
    assert "secret" not in f"{address} {address!r}"
    for wrong in (
        "mysq://owl:secret@h/d",
        "mysql://owl:secret@h",
        "mysql://owl:secret@h:port/d",
        "mysql://owl:secret@h/d?what=1",
        "mysql://owl:secret@h/d?ssl-mode=REQUIRED",
    ):
        with pytest.raises(ValueError, match="the database's URL") as raised:
            parse_address(wrong)
        assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "mode"),
    [
        ("mysql://u@db.example/d", "VERIFY_IDENTITY"),
        ("mysql://u@10.0.0.1/d", "VERIFY_IDENTITY"),
        ("mysql://u@localhost/d", "DISABLED"),
        ("mysql://u@127.0.0.9/d", "DISABLED"),
        ("mysql://u@[::1]/d", "DISABLED"),
        ("mysql://u@db.example/d?socket=/dev/null", "DISABLED"),
        ("mysql://u@127.0.0.1/d?ssl-ca=/dev/null", "VERIFY_IDENTITY"),
        ("mysql://u@db.example/d?ssl-mode=disabled", "DISABLED"),
        ("mysql://u@db.example/d?ssl-mode=VERIFY_CA", "VERIFY_CA"),
    ],
)
def test_only_what_stays_on_this_machine_goes_unencrypted_by_itself(url: str, mode: str) -> None:
    assert parse_address(url).ssl_mode == mode


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("", "begins with ''"),
        ("postgresql://u@h/d", "begins with 'postgresql'"),
        ("mysql://h/d", "names no user"),
        ("mysql://u@h/", "names the database ''"),
        ("mysql://u@h/a/b", "names the database 'a/b'"),
        ("mysql://u@h:99999/d", "a port that cannot be read"),
        ("mysql://u@h/d?ssl_ca=x", "option 'ssl_ca'; socket, ssl-mode"),
        ("mysql://u@h/d?ssl-mode=PREFERRED", "ssl-mode=PREFERRED; DISABLED, VERIFY_CA, VERIFY_IDENTITY"),
        ("mysql://u@h/d?ssl-ca=/nowhere/ca.pem", "no such file"),
    ],
)
def test_a_url_that_cannot_be_used_is_told(url: str, told: str) -> None:
    with pytest.raises(ValueError, match=told) as raised:
        parse_address(url)
    assert "\n" not in str(raised.value)
