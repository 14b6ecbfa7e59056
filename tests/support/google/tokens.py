"""Where google-auth gets access tokens for the key of a service account."""

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


@dataclass(slots=True)
class TokenServer:
    """A running one; with `refused` it gives no more tokens, as for a key that was deleted."""

    url: str
    token: str = "ya29.tukur-tests"
    refused: bool = False
    given: int = 0

    def key_file(self, path: Path) -> Path:
        """A key of a service account whose tokens come from here."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        content = {
            "type": "service_account",
            "client_email": "admin@rehearsal.iam.gserviceaccount.com",
            "private_key_id": "1",
            "private_key": pem.decode(),
            "token_uri": self.url,
        }
        path.write_text(json.dumps(content), encoding="ascii")
        return path


@contextlib.contextmanager
def token_server() -> Iterator[TokenServer]:
    """On a thread of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            if made.refused:
                self._send(400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})
                return
            made.given += 1
            self._send(200, {"access_token": made.token, "expires_in": 3600, "token_type": "Bearer"})

        def _send(self, status: int, answer: object) -> None:
            content = json.dumps(answer).encode()
            self.send_response_only(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        made = TokenServer(f"http://127.0.0.1:{server.server_address[1]}/token")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()
