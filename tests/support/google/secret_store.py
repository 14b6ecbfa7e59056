"""Secret Manager as far as the start scripts use it: access the newest version, add one.

https://cloud.google.com/secret-manager/docs/reference/rest says what it answers.
"""

import base64
import contextlib
import http.server
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.support.google.metadata import ACCESS_TOKEN

_PATH = re.compile(r"/v1/projects/([^/]+)/secrets/([^/:]+)(/versions/latest:access|:addVersion)")


@dataclass(slots=True)
class SecretStore:
    """A running one."""

    project: str
    url: str
    versions: dict[str, list[bytes]]
    """Of each secret, the oldest first."""
    failing: int = 0
    """With this status each request is answered; 0: properly."""
    requests: list[str] = field(default_factory=list)
    """What was asked for and how it was answered: ``access NAME 404``."""

    def answer(self, path: str, token: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """Status and answer."""
        found = _PATH.fullmatch(path)
        if self.failing:
            return self.failing, _error("the service is unavailable")
        if token != f"Bearer {ACCESS_TOKEN}":
            return 401, _error("Request had invalid authentication credentials.")
        if found is None or found[1] != self.project or found[2] not in self.versions:
            return 403, _error(f"Permission denied on resource {path} (or it may not exist).")
        versions = self.versions[found[2]]
        if found[3] == ":addVersion":
            versions.append(base64.b64decode(json.loads(body)["payload"]["data"], validate=True))
        elif not versions:
            return 404, _error(f"Secret Version [{path}] not found.")
        name = f"{path.removeprefix('/v1/').partition(':')[0]}/versions/{len(versions)}"
        return 200, {"name": name, "payload": {"data": base64.b64encode(versions[-1]).decode()}}


def _error(message: str) -> dict[str, Any]:
    return {"error": {"message": message}}


class _Handler(http.server.BaseHTTPRequestHandler):
    server: "_Listening"
    timeout = 10

    def do_GET(self) -> None:
        self._answer("access", b"")

    def do_POST(self) -> None:
        self._answer("add", self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, verb: str, body: bytes) -> None:
        store = self.server.store
        status, answer = store.answer(self.path, self.headers.get("Authorization", ""), body)
        name = self.path.rpartition("/secrets/")[2].partition("/")[0].partition(":")[0]
        store.requests.append(f"{verb} {name} {status}")
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Tests look at `requests`."""


class _Listening(http.server.ThreadingHTTPServer):
    # Awaited at the end: no thread outlives the server.
    daemon_threads = False
    store: SecretStore


@contextlib.contextmanager
def secret_store(project: str, host: str, *names: str) -> Iterator[SecretStore]:
    """One with these secrets, which have no version yet."""
    with _Listening((host, 0), _Handler) as listening:
        url = f"http://{host}:{listening.server_address[1]}"
        listening.store = SecretStore(project, url, {name: [] for name in names})
        thread = threading.Thread(target=listening.serve_forever, args=(0.05,), name="secret store")
        thread.start()
        try:
            yield listening.store
        finally:
            listening.shutdown()
            thread.join()
