"""Which folder the hub's installer is, and what a person is told to run."""

import contextlib
import datetime
import http.server
import shutil
import ssl
import subprocess
import threading
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certificates import make_authority, sign
from tests.unit.cli.options.test_tls import options
from tests.unit.hub.installer.test_installer import folder_with
from tukur.cli.errors import CommandError, Exit
from tukur.cli.join_token import install_command
from tukur.cli.options.installer import installer_folder
from tukur.hub.address import HubAddress
from tukur.hub.installer.installer import MANIFEST
from tukur.hub.tls.authority import new_authority, new_server, pem, public_key_pin
from tukur.hub.tls.files import load_certificates


def test_the_folder_in_the_data_directory_is_served_if_it_is_there(tmp_path: Path) -> None:
    assert installer_folder(options(), tmp_path) is None
    folder_with(tmp_path / "installer", "a.whl")
    assert installer_folder(options(), tmp_path) == tmp_path / "installer"


def test_a_given_folder_has_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=MANIFEST) as refused:
        installer_folder(options("--installer", str(tmp_path)), tmp_path)
    assert refused.value.exit_code == Exit.USAGE


def test_the_line_to_run_verifies_the_hub_in_the_way_that_the_machine_can(tmp_path: Path) -> None:
    url = "https://hub.example:8787"
    trusted = install_command(HubAddress(url, url, "system"), "TOKEN")
    assert trusted == f"curl -fsSL {url}/install.sh | sudo sh -s -- TOKEN"
    given = install_command(HubAddress(url, url, "pinned", "/etc/a ca.pem"), "TOKEN")
    assert "curl -fsSL --cacert '/etc/a ca.pem' " in given
    now = datetime.datetime.now(datetime.UTC)
    _, server = new_server(new_authority(now), ["hub.example"], now)
    (tmp_path / "server.pem").write_bytes(pem([server]))
    own = install_command(HubAddress(url, url, "pinned", str(tmp_path / "ca.pem")), "TOKEN")
    assert f"curl -fsSk --pinnedpubkey 'sha256//{public_key_pin(server)}' {url}/install.sh" in own


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl_refuses_another_key_than_the_one_in_the_line_although_it_verifies_nothing_else(
    tmp_path: Path,
) -> None:
    make_authority(tmp_path)
    certificate, key = sign(tmp_path, "hub", "IP:127.0.0.1")
    with listening(certificate, key) as url:
        right = public_key_pin(load_certificates(certificate)[0])
        wrong = b64encode(bytes(32)).decode()
        for pin, code in ((right, 0), (wrong, 90)):
            command = ["curl", "-fsSk", "--pinnedpubkey", f"sha256//{pin}", url]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert (done.returncode, done.stdout) == (code, "" if code else "served")


@contextlib.contextmanager
def listening(certificate: Path, key: Path) -> Iterator[str]:
    """Somebody with this certificate, who serves one word to anybody."""

    class Serve(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"served")

        def log_message(self, *_: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with http.server.HTTPServer(("127.0.0.1", 0), Serve) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.server_port}/install.sh"
        finally:
            server.shutdown()
            thread.join()
