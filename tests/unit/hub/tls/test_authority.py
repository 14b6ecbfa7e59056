"""The hub's own authority, held to OpenSSL's verification."""

import datetime
import socket
import ssl
import threading
from pathlib import Path

import pytest

from tukur.hub.tls import authority
from tukur.hub.tls.authority import Authority, CertificateError

NOW = datetime.datetime.now(datetime.UTC)
NAMES = ("localhost", "127.0.0.1", "::1", "hub.example")


def handshake(folder: Path, signer: Authority, trusted: list[bytes], name: str) -> str:
    """The TLS version that a client which trusts only these certificates agrees on with the server."""
    key, server = authority.new_server(signer, NAMES, NOW)
    path = folder / "server.pem"
    path.write_bytes(authority.key_pem(key) + authority.pem([server, *signer.chain]))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(cadata=b"".join(trusted))
    near, far = socket.socketpair()

    def serve() -> None:
        try:
            with context.wrap_socket(far, server_side=True) as accepted:
                accepted.recv(1)
        except OSError:
            pass

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with near, client.wrap_socket(near, server_hostname=name) as connected:
            return str(connected.version())
    finally:
        thread.join(5)


def test_who_trusts_the_authority_verifies_its_server_by_each_of_its_names(tmp_path: Path) -> None:
    signer = authority.new_authority(NOW)
    for name in NAMES:
        assert handshake(tmp_path, signer, [authority.der(signer.certificate)], name) == "TLSv1.3"


def test_by_another_name_or_with_another_authority_the_server_is_refused(tmp_path: Path) -> None:
    signer, other = authority.new_authority(NOW), authority.new_authority(NOW)
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(tmp_path, signer, [authority.der(signer.certificate)], "other.example")
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer"):
        handshake(tmp_path, signer, [authority.der(other.certificate)], "localhost")


def test_after_a_rotation_old_and_new_trust_both_hold_until_the_old_one_is_retired(tmp_path: Path) -> None:
    old = authority.new_authority(NOW)
    new = authority.next_authority(old, NOW)
    assert new.roots == [new.certificate, old.certificate]
    for trusted in (old, new):
        handshake(tmp_path, new, [authority.der(trusted.certificate)], "localhost")
    without_previous = authority.without_previous(new)
    handshake(tmp_path, without_previous, [authority.der(new.certificate)], "localhost")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(tmp_path, without_previous, [authority.der(old.certificate)], "localhost")


def test_an_authority_is_read_as_it_was_written() -> None:
    first = authority.new_authority(NOW)
    for one in (first, authority.next_authority(first, NOW)):
        read = authority.parse_authority(authority.authority_pem(one))
        assert (read.certificate, read.cross_signed, read.previous) == (
            one.certificate,
            one.cross_signed,
            one.previous,
        )
        assert authority.key_pem(read.key) == authority.key_pem(one.key)


def test_what_is_no_authority_is_refused() -> None:
    one, other = authority.new_authority(NOW), authority.new_authority(NOW)
    mixed = authority.key_pem(one.key) + authority.pem([other.certificate])
    for text in (b"", b"nonsense", authority.pem([one.certificate]), authority.key_pem(one.key), mixed):
        with pytest.raises(CertificateError):
            authority.parse_authority(text)


def test_a_servers_certificate_is_due_when_it_ends_soon_or_lacks_a_name() -> None:
    _, server = authority.new_server(authority.new_authority(NOW), NAMES, NOW)
    assert not authority.needs_renewal(server, ["LOCALHOST", "0:0:0:0:0:0:0:1"], NOW)
    assert authority.needs_renewal(server, ["new.example"], NOW)
    day = datetime.timedelta(days=1)
    assert not authority.needs_renewal(server, NAMES, NOW + 59 * day)
    assert authority.needs_renewal(server, NAMES, NOW + 61 * day)


def test_a_name_that_no_certificate_can_hold_is_told() -> None:
    with pytest.raises(CertificateError, match="eule"):
        authority.new_server(authority.new_authority(NOW), ["äeule.example"], NOW)
