"""A metadata server of Compute Engine: what a virtual machine learns of itself, and its tokens.

It answers as https://cloud.google.com/compute/docs/metadata says: only requests with the header
``Metadata-Flavor: Google`` and without ``X-Forwarded-For``, each answer with that header. Google's
certificates are served beside it, under ``/oauth2/v3/certs``.

``GCE_METADATA_HOST=ADDRESS`` leads Google's libraries, the agent and the hub to it. As a process::

    python -m tests.support.google.metadata --listen 127.0.0.1:8080 --id 4711 --name web-x1 --keys FILE \
        --attribute tukur-join=...
"""

import argparse
import contextlib
import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.google.identity import Instance, SigningKeys, signed

ACCESS_TOKEN = "ya29.tukur-tests"
CERTS = "/oauth2/v3/certs"
_PREFIX = "/computeMetadata/v1"
_SCOPES = "https://www.googleapis.com/auth/cloud-platform"


class _AnsweredError(Exception):
    """The request is answered by an error."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(slots=True)
class MetadataServer:
    """A running one; tests may change what it says at any time."""

    instance: Instance
    keys: SigningKeys
    port: int
    host: str = "127.0.0.1"
    certs_max_age_s: int = 20_000
    failing: int = 0
    """With this status each request of an instance is answered; 0: properly."""
    certs_failing: int = 0
    """The same for the certificates."""
    requests: list[str] = field(default_factory=list)
    """Path and query of each, the oldest first."""

    @property
    def address(self) -> str:
        """For GCE_METADATA_HOST."""
        return f"{self.host}:{self.port}"

    @property
    def certs_url(self) -> str:
        """Where the certificates are."""
        return f"http://{self.address}{CERTS}"

    def answer(self, path: str, query: dict[str, str]) -> str | dict[str, Any]:
        """The value at a path below ``/computeMetadata/v1``. Raises _AnsweredError."""
        if path == "/instance/service-accounts/default/identity":
            return self._identity(query)
        found: Any = self._tree()
        for part in [part for part in path.split("/") if part]:
            if not isinstance(found, dict) or part not in found:
                raise _AnsweredError(404, "not found")
            found = found[part]
        if not isinstance(found, dict):
            return str(found)
        if "access_token" in found or query.get("recursive", "").lower() == "true":
            return found
        return "".join(f"{name}/\n" if isinstance(at, dict) else f"{name}\n" for name, at in found.items())

    def _identity(self, query: dict[str, str]) -> str:
        audience = query.get("audience", "")
        if not audience:
            raise _AnsweredError(400, "non-empty audience parameter required")
        claims = self.instance.claims(audience, full=query.get("format", "standard") == "full")
        return signed(claims, self.keys.newest)

    def _tree(self) -> dict[str, Any]:
        instance = self.instance
        project = f"projects/{instance.project_number}"
        account = {
            "email": instance.email,
            "scopes": _SCOPES,
            "token": {"access_token": ACCESS_TOKEN, "expires_in": 3599, "token_type": "Bearer"},
        }
        return {
            "instance": {
                "attributes": dict(instance.attributes),
                "hostname": f"{instance.name}.{instance.zone}.c.{instance.project}.internal",
                "id": instance.instance_id,
                "maintenance-event": instance.maintenance_event,
                "name": instance.name,
                "preempted": "TRUE" if instance.preempted else "FALSE",
                "service-accounts": {"default": account, instance.email: account},
                "zone": f"{project}/zones/{instance.zone}",
            },
            "project": {"numeric-project-id": instance.project_number, "project-id": instance.project},
        }


class _Handler(http.server.BaseHTTPRequestHandler):
    server: "_Listening"
    timeout = 10

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        google = self.server.google
        google.requests.append(self.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        try:
            if parts.path == CERTS:
                self._certs(google)
            else:
                self._metadata(google, parts.path, query)
        except _AnsweredError as error:
            self._send(error.status, str(error), "text/html", {"Metadata-Flavor": "Google"})

    def _metadata(self, google: MetadataServer, path: str, query: dict[str, str]) -> None:
        if self.headers.get("Metadata-Flavor") != "Google" or "X-Forwarded-For" in self.headers:
            raise _AnsweredError(403, "Forbidden: Metadata-Flavor: Google expected")
        if google.failing:
            raise _AnsweredError(google.failing, "the metadata server is failing")
        if not path.startswith(_PREFIX):
            raise _AnsweredError(404, "not found")
        value = google.answer(path.removeprefix(_PREFIX), query)
        text = value if isinstance(value, str) else json.dumps(value)
        kind = "application/text" if isinstance(value, str) else "application/json"
        self._send(200, text, kind, {"Metadata-Flavor": "Google", "Server": "Metadata Server for VM"})

    def _certs(self, google: MetadataServer) -> None:
        if google.certs_failing:
            raise _AnsweredError(google.certs_failing, "the certificates are not served")
        age = f"public, max-age={google.certs_max_age_s}, must-revalidate, no-transform"
        text = json.dumps(google.keys.published())
        self._send(200, text, "application/json; charset=UTF-8", {"Cache-Control": age})

    def _send(self, status: int, text: str, kind: str, headers: dict[str, str]) -> None:
        content = text.encode()
        self.send_response_only(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Tests look at `requests`."""


class _Listening(http.server.ThreadingHTTPServer):
    # Awaited at the end: no thread outlives the server.
    daemon_threads = False
    google: MetadataServer


@contextlib.contextmanager
def metadata_server(
    instance: Instance, keys: SigningKeys | None = None, host: str = "127.0.0.1", port: int = 0
) -> Iterator[MetadataServer]:
    """The metadata server of one instance, on a thread of its own; `port` 0: a free one."""
    with _Listening((host, port), _Handler) as listening:
        listening.google = MetadataServer(instance, keys or SigningKeys(), listening.server_address[1], host)
        thread = threading.Thread(target=listening.serve_forever, args=(0.05,), name="metadata server")
        thread.start()
        try:
            yield listening.google
        finally:
            listening.shutdown()
            thread.join()


def main() -> None:
    """Serves until it is killed."""
    parser = argparse.ArgumentParser(description="a metadata server of Compute Engine, for tests")
    parser.add_argument("--listen", default="127.0.0.1:0", metavar="HOST:PORT")
    parser.add_argument("--id", required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--zone", default="europe-west1-b")
    parser.add_argument("--project", default="rehearsal")
    parser.add_argument("--keys", type=Path, help="a file of the signing key; made where it is missing")
    parser.add_argument("--attribute", action="append", default=[], metavar="NAME=VALUE")
    options = parser.parse_args()
    instance = Instance(options.id, options.name, options.zone, options.project)
    instance.attributes = dict(text.split("=", 1) for text in options.attribute)
    host, _, port = options.listen.rpartition(":")
    keys = SigningKeys.kept(options.keys) if options.keys else None
    with metadata_server(instance, keys, host, int(port)) as server:
        print(server.address, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
