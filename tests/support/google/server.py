"""The server: routes and validates requests, keeps them for the tests, and fails where a test says so."""

import contextlib
import fnmatch
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.support.google.calls import Call
from tests.support.google.compute import Compute
from tests.support.google.discovery import InvalidRequestError, apis
from tests.support.google.others import Others
from tests.support.google.state import ApiError, Json, State

PROJECT = "rehearsal"
_MULTIPLE = ("names",)
"""Parameters that may come several times."""


_READING = (
    "access",
    "aggregatedList",
    "batchGet",
    "get",
    "getIamPolicy",
    "list",
    "listManagedInstances",
    "wait",
)


@dataclass(slots=True)
class Fault:
    """An answer that calls of a method get in place of the real one."""

    method: str
    """With ``*`` for any characters."""
    error: ApiError
    times: int = 1
    skip: int = 0
    """Calls that are let through first."""


@dataclass(slots=True)
class Cut:
    """The connection ends at this change; from then on nothing is answered."""

    at: int
    applied: bool
    """Whether the change still takes effect, and only its answer is lost."""


@dataclass(slots=True)
class Google:
    """One Google, empty at first."""

    state: State = field(default_factory=State)
    calls: list[Call] = field(default_factory=list)
    """Valid requests, in order."""
    refused: list[str] = field(default_factory=list)
    """What was wrong with the invalid ones."""
    faults: list[Fault] = field(default_factory=list)
    cut: Cut | None = None
    token: str | None = None
    """The only access token that is taken; None: any, and requests without one."""
    url: str = ""
    port: int = 0
    compute: Compute = field(init=False)
    _others: Others = field(init=False)
    _received: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.compute = Compute(self.state)
        self._others = Others(self.state)

    # What tests say.

    def fail(self, method: str, status: int, reason: str, message: str = "", **more: Any) -> None:
        """Lets calls of a method fail; `times` of them, after `skip`; with `retry_after` seconds."""
        error = ApiError(status, reason, message or reason, retry_after=more.pop("retry_after", None))
        self.faults.append(Fault(method, error, **more))

    def cut_at(self, number: int, *, applied: bool) -> None:
        """The connection ends at the so-manieth change from now on, and at everything after it."""
        self._received, self.cut = 0, Cut(number, applied)

    def revive(self) -> None:
        """Ends the cut."""
        self.cut = None

    def changes(self) -> list[Call]:
        """The calls that change something."""
        return [call for call in self.calls if is_change(call)]

    def one(self, method: str) -> Call:
        """The only call of a method."""
        (found,) = [call for call in self.calls if call.id == method]
        return found

    def add_group(self, name: str, region: str = "europe-west1", size: int = 0) -> str:
        """An instance group without tukur having made it; its full name."""
        full = f"projects/{PROJECT}/regions/{region}/instanceGroupManagers/{name}"
        template = f"projects/{PROJECT}/global/instanceTemplates/{name}"
        site = "https://www.googleapis.com/compute/v1/"
        interface = {"networkIP": "10.128.0.2"}
        properties: Json = {"machineType": "e2-small", "networkInterfaces": [interface]}
        with self._lock:
            self.state.add(template, {"name": name, "selfLink": site + template, "properties": properties})
            manager = {"name": name, "selfLink": site + full, "instanceTemplate": site + template}
            self.state.add(full, {**manager, "targetSize": size})
            self.compute.resize(full, self.state.get(full))
        return full

    def add_instance(self, group: str, name: str | None = None, zone: str | None = None) -> Json:
        """A scale-out by one VM: its resource, with ``id``, ``name``, ``zone`` and ``selfLink``."""
        with self._lock:
            manager = self.state.get(group)
            manager["targetSize"] = manager.get("targetSize", 0) + 1
            return self.compute.add_member(group, manager, name, zone)

    def remove_instance(self, instance: Json) -> None:
        """A scale-in: this VM leaves its group and is gone."""
        with self._lock:
            self.compute.remove_member(instance)

    def resize(self, group: str, size: int) -> None:
        """What an autoscaler does."""
        with self._lock:
            manager = self.state.get(group)
            manager["targetSize"] = size
            self.compute.resize(group, manager)

    def environment(self) -> dict[str, str]:
        """The variables by which tukur and gcloud find this Google in place of the real one."""
        overrides = {
            f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{name}": f"{self.url}/"
            for name in ("IAM", "SECRETMANAGER", "MONITORING", "CLOUDRESOURCEMANAGER", "SERVICEUSAGE")
        }
        overrides["CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE"] = f"{self.url}/compute/v1/"
        return {**overrides, "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true"}

    # What requests get.

    def handle(self, verb: str, target: str, headers: dict[str, str], body: bytes) -> Json:
        """Answers one request. Raises ApiError, or ConnectionAbortedError in a cut."""
        with self._lock:
            call = self._parsed(verb, target, headers, body)
            self._received += is_change(call)
            cut = self.cut
            if cut and (self._received > cut.at or (self._received == cut.at and not cut.applied)):
                raise ConnectionAbortedError
            answer = self._answer(call)
            if cut and self._received == cut.at:
                # This change took effect; nothing does from here on.
                self._received += 1
                raise ConnectionAbortedError
            # While the lock is held: another request may change it.
            return dict(json.loads(json.dumps(_public(answer))))

    def _answer(self, call: Call) -> Json:
        self.calls.append(call)
        self._check_access(call)
        if fault := self._fault(call):
            raise fault.error
        return self.compute.answer(call) if call.id.startswith("compute.") else self._others.answer(call)

    def _parsed(self, verb: str, target: str, headers: dict[str, str], body: bytes) -> Call:
        url = urlsplit(target)
        path, query = unquote(url.path), _query(url.query)
        for api in apis():
            if found := api.match(verb, path):
                method, params = found
                try:
                    content = json.loads(body) if body else {}
                    api.check(method, query, content)
                except (InvalidRequestError, ValueError) as error:
                    self.refused.append(f"{verb} {target}: {error}")
                    raise ApiError(400, "invalid", str(error)) from error
                return Call(method, params, query, content, path, headers)
        self.refused.append(f"{verb} {target}: no method of Google's")
        raise ApiError(404, "notFound", f"no method of Google's: {verb} {target}")

    def _check_access(self, call: Call) -> None:
        if self.token is not None and call.headers.get("authorization") != f"Bearer {self.token}":
            raise ApiError(401, "authError", "Invalid Credentials")
        project = (
            call.path.split("/projects/")[1].split("/")[0].partition(":")[0]
            if "/projects/" in call.path
            else None
        )
        if project is not None and project not in self.state.projects:
            # Google does not say whether there is such a project.
            raise ApiError(403, "forbidden", f"Permission denied on resource project {project}.")
        service = f"{call.id.split('.')[0]}.googleapis.com"
        if service not in self.state.services and service != "serviceusage.googleapis.com":
            raise ApiError(
                403,
                "accessNotConfigured",
                f"{service} has not been used in project {project} or it is disabled.",
            )

    def _fault(self, call: Call) -> Fault | None:
        for fault in self.faults:
            if fault.times > 0 and fnmatch.fnmatchcase(call.id, fault.method):
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                fault.times -= 1
                return fault
        return None


def is_change(call: Call) -> bool:
    """Whether a call changes something, by its method's name."""
    return call.id.rsplit(".", maxsplit=1)[-1] not in _READING


def _query(text: str) -> dict[str, str]:
    query: dict[str, str] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        query[name] = f"{query[name]},{value}" if name in query and name in _MULTIPLE else value
    return query


def _public(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _public(inner) for key, inner in value.items() if not key.startswith("tests.")}
    return [_public(inner) for inner in value] if isinstance(value, list) else value


_STATUS = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"} | {
    409: "ALREADY_EXISTS",
    412: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    501: "UNIMPLEMENTED",
}


def error_body(error: ApiError) -> Json:
    """As Google writes it."""
    status = "ABORTED" if error.reason == "aborted" else _STATUS.get(error.status, "UNAVAILABLE")
    details = [{"message": error.message, "domain": "global", "reason": error.reason}]
    return {"error": {"code": error.status, "message": error.message, "status": status, "errors": details}}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    google: Google
    connections: set[socket.socket]

    def setup(self) -> None:
        super().setup()
        self.connections.add(self.connection)

    def finish(self) -> None:
        self.connections.discard(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            super().handle()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as it is called
        """The tests read the calls."""

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            self._send(200, self.google.handle(self.command, self.path, headers, body))
        except ApiError as error:
            more = {} if error.retry_after is None else {"Retry-After": f"{error.retry_after:g}"}
            self._send(error.status, error_body(error), more)
        except ConnectionAbortedError:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

    def _send(self, status: int, answer: Json, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(answer).encode()
        lines = [f"HTTP/1.1 {status} {_STATUS.get(status, 'OK')}", "Content-Type: application/json"]
        lines += [
            f"Content-Length: {len(content)}",
            *(f"{key}: {text}" for key, text in (headers or {}).items()),
        ]
        # In one write: two small ones wait for each other's acknowledgement.
        self.wfile.write("\r\n".join([*lines, "", ""]).encode() + content)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve  # noqa: N815


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True


@contextlib.contextmanager
def google(port: int = 0, *, host: str = "127.0.0.1", enabled: bool = True) -> Iterator[Google]:
    """A Google with one project, ``rehearsal``; with `enabled` its APIs are switched on already."""
    made = Google()
    if enabled:
        made.state.services = {
            f"{name}.googleapis.com"
            for name in ("compute", "iam", "secretmanager", "monitoring", "cloudresourcemanager")
        }
    connections: set[socket.socket] = set()
    handler = type("Handler", (_Handler,), {"google": made, "connections": connections})
    with _Server((host, port), handler) as server:
        made.port = server.server_address[1]
        made.url = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{made.port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()
            for connection in list(connections):
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


if __name__ == "__main__":
    with google(int(os.environ.get("PORT", "0"))) as running:
        print(json.dumps({"url": running.url, "environment": running.environment()}, indent=1), flush=True)
        while True:
            time.sleep(3600)
