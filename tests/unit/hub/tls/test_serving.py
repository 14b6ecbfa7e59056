"""Certificates made, renewed and read anew while the hub runs."""

import datetime
import os
import stat
from pathlib import Path

import pytest

from tests.support.certificates import make_authority, sign
from tukur.hub.tls import authority
from tukur.hub.tls.authority import CertificateError, fingerprint
from tukur.hub.tls.files import TlsFolder, load_certificates
from tukur.hub.tls.serving import Tls
from tukur.hub.tls.settings import TlsSettings

NAMES = ("localhost", "127.0.0.1")


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = datetime.datetime.now(datetime.UTC)

    def __call__(self) -> datetime.datetime:
        return self.now


def own(folder: Path, clock: Clock) -> Tls:
    return Tls(TlsSettings(own_authority=True), folder, NAMES, clock)


def test_the_first_start_makes_an_authority_and_a_certificate_that_only_their_owner_reads(
    tmp_path: Path,
) -> None:
    tls = own(tmp_path, Clock())
    files = sorted((tmp_path / "tls").iterdir())
    assert [path.name for path in files] == ["authority.pem", "ca.pem", "server.pem"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert tls.names == NAMES
    assert tls.accepted == {fingerprint(load_certificates(tmp_path / "tls" / "server.pem")[0])}


def test_the_next_start_shows_the_same_certificate(tmp_path: Path) -> None:
    assert own(tmp_path, Clock()).accepted == own(tmp_path, Clock()).accepted


def test_a_certificate_that_ends_soon_is_renewed_and_the_one_before_still_counts(tmp_path: Path) -> None:
    clock = Clock()
    tls = own(tmp_path, clock)
    (first,) = tls.accepted
    assert not tls.refresh()
    clock.now += datetime.timedelta(days=61)
    assert tls.refresh()
    assert first in tls.accepted
    assert len(tls.accepted) == 2
    assert not tls.refresh()


def test_a_rotated_authority_signs_the_server_at_once_and_both_are_trusted(tmp_path: Path) -> None:
    clock = Clock()
    tls = own(tmp_path, clock)
    folder = TlsFolder(tmp_path)
    old = folder.authority(clock.now)
    new = authority.next_authority(old, clock.now)
    folder.save(new)
    assert tls.refresh()
    assert list(tls.roots) == [new.certificate, old.certificate]
    folder.save(authority.without_previous(new))
    assert tls.refresh()
    assert list(tls.roots) == [new.certificate]


def test_a_given_certificate_is_read_anew_when_its_file_changes(tmp_path: Path) -> None:
    make_authority(tmp_path)
    certificate, key = sign(tmp_path, "server", "DNS:hub.example")
    tls = Tls(TlsSettings(certificate=certificate, key=key), tmp_path, NAMES)
    (first,) = tls.accepted
    assert (tls.names, tls.roots) == (("hub.example",), ())
    other, other_key = sign(tmp_path, "other", "DNS:hub.example")
    other.replace(certificate)
    os.utime(certificate, ns=(1, 1))
    with pytest.raises(CertificateError, match="a certificate and its private key expected"):
        tls.refresh()
    assert tls.accepted == {first}
    other_key.replace(key)
    assert tls.refresh()
    assert first in tls.accepted
    assert len(tls.accepted) == 2


def test_what_cannot_be_used_is_told_with_its_path(tmp_path: Path) -> None:
    nothing, text = tmp_path / "nothing.pem", tmp_path / "text.pem"
    text.write_text("nonsense")
    for path in (nothing, text):
        with pytest.raises(CertificateError, match=path.name):
            Tls(TlsSettings(certificate=path, key=path), tmp_path, NAMES)
    (tmp_path / "tls").mkdir()
    (tmp_path / "tls" / "authority.pem").write_text("nonsense")
    with pytest.raises(CertificateError, match=r"authority\.pem"):
        own(tmp_path, Clock())


def test_behind_a_proxy_its_certificate_counts_and_so_does_none(tmp_path: Path) -> None:
    make_authority(tmp_path)
    certificate, _ = sign(tmp_path, "proxy", "DNS:hub.example")
    tls = Tls(TlsSettings(proxy_certificate=certificate), tmp_path, NAMES)
    assert tls.context is None
    assert tls.accepted == {b"", fingerprint(load_certificates(certificate)[0])}
