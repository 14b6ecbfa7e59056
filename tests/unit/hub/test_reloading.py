"""What a running hub takes of changed settings."""

import ssl
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from tests.support.certificates import make_authority, sign
from tests.support.hub import running_hub
from tukur.agent.joining.trust import Trust
from tukur.hub.address import read_address
from tukur.hub.oidc.settings import OidcSettings, parse_roles
from tukur.hub.reloading import apply_settings
from tukur.hub.store.maintenance.retention_policy import RetentionPolicy
from tukur.hub.tls.authority import CertificateError
from tukur.hub.tls.settings import TlsSettings

PROVIDER = OidcSettings("https://idp.example", "tukur", name="Owls", roles=parse_roles(["ops=operator"]))


async def test_a_provider_a_retention_and_reasons_come_and_go(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub, hub.client() as client:
        before, keep = hub.parts.settings, RetentionPolicy(max_bytes=1 << 30)
        apply_settings(hub.parts, replace(before, oidc=PROVIDER, keep=keep, reason_needed=True))
        assert (await client.get("/api/sign-in")).json() == {"provider": "Owls"}
        assert (hub.parts.maintenance.keep, hub.parts.orders.reason_needed) == (keep, True)
        apply_settings(hub.parts, replace(before, oidc=replace(PROVIDER, name="Wolves")))
        assert (await client.get("/api/sign-in")).json() == {"provider": "Wolves"}
        assert hub.parts.orders.reason_needed == before.reason_needed
        apply_settings(hub.parts, before)
        assert (await client.get("/api/sign-in")).json() == {"provider": None}


async def test_what_it_cannot_change_stays_as_it_was(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub:
        before = hub.parts.settings
        wanted = replace(before, port=9, base_path="/x", tls=TlsSettings(own_authority=True))
        apply_settings(hub.parts, wanted)
        assert hub.parts.settings == before


async def test_another_name_is_accepted_and_is_in_the_hubs_own_certificate(tmp_path: Path) -> None:
    own = TlsSettings(own_authority=True)
    async with running_hub(tmp_path, tls=own) as hub:
        verify = Trust(hub.trust.authorities).context()
        async with httpx.AsyncClient(base_url=hub.url, verify=verify) as client:
            by_name = {"Host": f"owl.example:{hub.port}"}
            assert (await client.get("/healthz", headers=by_name)).status_code == 421
            apply_settings(hub.parts, replace(hub.parts.settings, allowed_hosts=("owl.example",)))
            assert (await client.get("/healthz", headers=by_name)).status_code == 200
        assert "owl.example" in hub.parts.tls.names
        address = read_address(tmp_path)
        assert address is not None
        assert address.join.startswith("https://owl.example:")


async def test_another_certificate_is_shown_to_the_next_connection(tmp_path: Path) -> None:
    authority = make_authority(tmp_path)
    first, second = (sign(tmp_path, name, f"IP:127.0.0.1,DNS:{name}.example") for name in ("one", "two"))
    given = TlsSettings(certificate=first[0], key=first[1])
    async with running_hub(tmp_path / "hub", tls=given) as hub:
        other = replace(given, certificate=second[0], key=second[1], ca=authority)
        apply_settings(hub.parts, replace(hub.parts.settings, tls=other))
        verify = ssl.create_default_context(cafile=authority)
        async with httpx.AsyncClient(base_url=hub.url, verify=verify) as client:
            by_name = {"Host": f"two.example:{hub.port}"}
            assert (await client.get("/healthz", headers=by_name)).status_code == 200
        assert len(hub.parts.tls.roots) == 1
        wrong = replace(given, certificate=second[0], key=first[1])
        with pytest.raises(CertificateError, match="a certificate and its private key expected"):
            apply_settings(
                hub.parts, replace(hub.parts.settings, tls=wrong, keep=RetentionPolicy(max_bytes=1))
            )
        assert hub.parts.settings.tls == other
        assert hub.parts.maintenance.keep.max_bytes == 0
        assert hub.parts.tls.refresh() is False


async def test_an_authority_of_the_provider_that_is_none_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("nonsense")
    async with running_hub(tmp_path / "hub") as hub:
        bad = replace(PROVIDER, ca=tmp_path / "bad.pem")
        with pytest.raises(CertificateError, match=r"bad\.pem; a certificate expected"):
            apply_settings(hub.parts, replace(hub.parts.settings, oidc=bad, reason_needed=True))
        assert hub.parts.provider is None
        assert hub.parts.orders.reason_needed is False
