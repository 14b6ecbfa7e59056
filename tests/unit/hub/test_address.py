"""Where a hub says that it is reached."""

from pathlib import Path

import pytest

from tukur.hub.address import HubAddress, address_of, read_address, remove_address, write_address
from tukur.hub.settings import HubSettings
from tukur.hub.tls.settings import TlsSettings


def test_a_hub_of_this_machine_alone_is_reached_in_plain_text_and_by_no_other() -> None:
    found = address_of(HubSettings(data_dir=Path("/data"), port=9000))
    assert found == HubAddress("http://127.0.0.1:9000")


@pytest.mark.parametrize(("host", "url"), [("::1", "http://[::1]:9000"), ("[::1]", "http://[::1]:9000")])
def test_an_address_of_version_six_is_put_into_brackets(host: str, url: str) -> None:
    assert address_of(HubSettings(data_dir=Path("/data"), host=host, port=9000)).url == url


def test_what_was_read_address_is_known_until_it_is_remove_addressn(tmp_path: Path) -> None:
    address = HubAddress("https://127.0.0.1:8787", "https://owl:8787", "pinned", "/data/tls/ca.pem")
    write_address(tmp_path, address)
    assert read_address(tmp_path) == address
    remove_address(tmp_path)
    assert read_address(tmp_path) is None
    remove_address(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{}x", '{"another": 1}'])
def test_what_cannot_be_read_is_no_address(tmp_path: Path, content: str) -> None:
    (tmp_path / "address.json").write_text(content, encoding="utf-8")
    assert read_address(tmp_path) is None


def test_a_hub_behind_a_path_is_reached_there_by_browsers_and_agents() -> None:
    tls = TlsSettings(own_authority=True)
    found = address_of(HubSettings(data_dir=Path("/data"), host="0.0.0.0", tls=tls, base_path="/tukur"))
    assert found.url.endswith(":8787/tukur")
    assert found.join.endswith(":8787/tukur")
    proxied = TlsSettings(proxy_certificate=Path("/proxy.pem"))
    settings = HubSettings(
        data_dir=Path("/data"), allowed_hosts=("example.org",), tls=proxied, base_path="/tukur"
    )
    assert address_of(settings).join == "https://example.org/tukur"
