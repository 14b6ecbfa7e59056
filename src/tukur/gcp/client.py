"""Requests to Google's REST interfaces, with the credentials of google-auth.

Not by the google-cloud-* packages: those of IAM and Cloud Monitoring speak gRPC alone. No discovery document
describes that, so no test could hold what is sent to Google's own definition.
"""

import contextlib
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NoReturn

import google.auth
import google.auth.credentials
import google.oauth2.credentials
import requests
import stamina
from google.auth.exceptions import (
    DefaultCredentialsError,
    GoogleAuthError,
    MalformedError,
    RefreshError,
    TransportError,
)
from google.auth.transport.requests import AuthorizedSession

from tukur.gcp.errors import AccessError, CloudError, QuotaError

Json = dict[str, Any]
Api = Literal["compute", "iam", "secretmanager", "monitoring", "cloudresourcemanager", "serviceusage"]
OnWait = Callable[[float], None]

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_TIMEOUT_S = 30.0
# Google's `wait` answers after two minutes at the latest.
_WAIT_TIMEOUT_S = 150.0
_OPERATION_TIMEOUT_S = 1200.0
_POLL_S = 0.2
_ATTEMPTS = 8
_MOST_WAIT_S = 60.0
_PATHS: Mapping[Api, str] = {"compute": "compute/v1/", "monitoring": "v3/", "cloudresourcemanager": "v3/"}
_QUOTA_REASONS = ("quotaExceeded", "QUOTA_EXCEEDED", "limitExceeded")
_TRANSIENT_REASONS = ("rateLimitExceeded", "userRateLimitExceeded", "resourceNotReady")
# An API that was switched on a moment ago still says that it is off.
_OFF_REASONS = ("accessNotConfigured", "SERVICE_DISABLED")
# A service account or role that was made a moment ago is not known everywhere yet.
_NEW = ("Service account", "serviceAccounts/", "does not exist in the resource's hierarchy")


def _backoff(error: Exception) -> bool | float:
    """Whether a request is worth repeating, and after how many seconds where Google says so."""
    if not isinstance(error, CloudError) or isinstance(error, AccessError | QuotaError):
        return False
    busy = error.status in (429, 500, 502, 503, 504) or error.reason in (*_TRANSIENT_REASONS, "unreachable")
    new = error.status == 400 and any(word in str(error) for word in _NEW)
    if not busy and not new and error.reason not in _OFF_REASONS:
        return False
    return min(error.retry_after, _MOST_WAIT_S) if error.retry_after is not None else True


class Client:
    """Requests about one project. Threads may share it."""

    def __init__(self, project: str) -> None:
        self.project = project
        self._session: requests.Session = AuthorizedSession(_credentials(project))  # type: ignore[no-untyped-call]
        self._session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=16))
        self._session.mount("https://", requests.adapters.HTTPAdapter(pool_maxsize=16))
        self.on_wait: OnWait = lambda _: None
        """Called with the seconds that an operation has taken, while it runs."""

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def read(self, api: Api, path: str, **query: Any) -> Json | None:
        """What is at a path; None: nothing. Raises CloudError."""
        try:
            return self.call("GET", api, path, **query)
        except CloudError as error:
            if error.status == 404:
                return None
            raise

    def call(self, verb: str, api: Api, path: str, body: Json | None = None, **query: Any) -> Json:
        """One request, repeated while Google is busy. Raises CloudError."""
        return self._send(verb, _url(api, path), body, query, _TIMEOUT_S)

    def items(self, path: str) -> list[Json]:
        """Everything in a collection of Compute Engine. Raises CloudError."""
        found: list[Json] = []
        query: dict[str, Any] = {}
        while True:
            page = self.call("GET", "compute", path, **query)
            found += page.get("items", ())
            if "nextPageToken" not in page:
                return found
            query = {"pageToken": page["nextPageToken"]}

    def change(self, verb: str, path: str, body: Json | None = None, **query: Any) -> None:
        """A request to Compute Engine that starts an operation, and its end. Raises CloudError."""
        # Google does a request of the same ID only once: an answer that was lost does no harm.
        request_id = str(uuid.uuid4())
        self._wait(self.call(verb, "compute", path, body, requestId=request_id, **query))

    def _wait(self, operation: Json) -> None:
        start = time.monotonic()
        while operation["status"] != "DONE":
            waited = time.monotonic() - start
            self.on_wait(waited)
            if waited > _OPERATION_TIMEOUT_S:
                raise CloudError(f"the operation {operation['name']} was not done within {waited:.0f} s")
            operation = self._waited(operation)
            if operation["status"] != "DONE":
                time.sleep(_POLL_S)
        for error in operation.get("error", {}).get("errors", ())[:1]:
            _fail_operation(error["code"], error.get("message", error["code"]))

    def _waited(self, operation: Json) -> Json:
        scope = next(
            (f"{kind}s/{_last(operation[kind])}" for kind in ("zone", "region") if kind in operation),
            "global",
        )
        path = f"projects/{self.project}/{scope}/operations/{operation['name']}/wait"
        return self._send("POST", _url("compute", path), None, {}, _WAIT_TIMEOUT_S)

    def wait_long_running(self, api: Api, operation: Json) -> None:
        """The end of an operation of another interface than Compute Engine's. Raises CloudError."""
        start = time.monotonic()
        while not operation.get("done"):
            waited = time.monotonic() - start
            self.on_wait(waited)
            if waited > _OPERATION_TIMEOUT_S:
                raise CloudError(f"{operation['name']} was not done within {waited:.0f} s")
            time.sleep(_POLL_S)
            operation = self.call("GET", api, operation["name"])
        if error := operation.get("error"):
            raise CloudError(error.get("message", "the operation failed"), reason=str(error.get("code", "")))

    @stamina.retry(
        on=_backoff,
        attempts=_ATTEMPTS,
        timeout=_OPERATION_TIMEOUT_S,
        wait_initial=0.5,
        wait_max=30,
    )
    def _send(
        self, verb: str, url: str, body: Json | None, query: Mapping[str, Any], timeout_s: float
    ) -> Json:
        with _translated(url):
            answer = self._session.request(verb, url, params=query, json=body, timeout=timeout_s)
            content: Json = answer.json() if answer.content else {}
        if answer.status_code >= 400:
            raise _error(answer.status_code, content, answer.headers.get("Retry-After"))
        return content


def _credentials(project: str) -> google.auth.credentials.Credentials:
    """As gcloud chooses them: none or a given token by gcloud's own variables, else the default ones."""
    if os.environ.get("CLOUDSDK_AUTH_DISABLE_CREDENTIALS", "").lower() in ("true", "1"):
        return google.auth.credentials.AnonymousCredentials()  # type: ignore[no-untyped-call]
    try:
        if file := os.environ.get("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE"):
            with open(file, encoding="ascii") as opened:  # noqa: PTH123 - a string of the environment
                return google.oauth2.credentials.Credentials(opened.read().strip())  # type: ignore[no-untyped-call]
        # Without a project that requests count for, some of Google's APIs refuse those of a person.
        found, _ = google.auth.default(scopes=[_SCOPE], quota_project_id=project)
    except OSError as error:
        raise AccessError(f"the access token in {file} cannot be read: {error.strerror}") from error
    except MalformedError as error:
        raise AccessError(f"the credentials for Google Cloud cannot be used: {error}") from error
    except DefaultCredentialsError as error:
        raise AccessError(
            "no credentials for Google Cloud were found; sign in with: gcloud auth application-default login"
        ) from error
    return found


def _url(api: Api, path: str) -> str:
    """gcloud's own variables name another server, for the tests' Google and for private endpoints."""
    default = f"https://{api}.googleapis.com/{_PATHS[api] if api == 'compute' else ''}"
    base = os.environ.get(f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{api.upper()}", default)
    version = "" if api == "compute" else _PATHS.get(api, "v1/")
    return f"{base}{version}{path}"


@contextlib.contextmanager
def _translated(url: str) -> Iterator[None]:
    """What did not come to an answer, as CloudError."""
    server = url.split("/")[2]
    try:
        yield
    except TransportError as error:
        raise CloudError(f"no access token could be fetched: {error}", reason="unreachable") from error
    except RefreshError as error:
        raise AccessError(
            "the credentials for Google Cloud ran out or are not valid; sign in again with: "
            "gcloud auth application-default login"
        ) from error
    except GoogleAuthError as error:
        raise AccessError(f"the credentials for Google Cloud cannot be used: {error}") from error
    except requests.exceptions.JSONDecodeError as error:
        raise CloudError(f"{server} answered with something that is no JSON", reason="unreachable") from error
    except requests.exceptions.RequestException as error:
        raise CloudError(f"{server} cannot be reached: {_cause(error)}", reason="unreachable") from error


def _cause(error: BaseException) -> str:
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return str(error) or type(error).__name__


def _error(status: int, content: Json, retry_after: str | None) -> CloudError:
    error = content.get("error", {})
    causes = [*error.get("errors", ()), *error.get("details", ())]
    reason = next((one["reason"] for one in causes if "reason" in one), error.get("status", ""))
    message = " ".join(str(error.get("message", f"HTTP status {status}")).split())
    seconds = float(retry_after) if retry_after and retry_after.replace(".", "", 1).isdigit() else None
    kind: type[CloudError] = CloudError
    if reason in _QUOTA_REASONS:
        kind = QuotaError
    elif status in (401, 403) and not _passes(reason, message):
        kind = AccessError
    return kind(message, status=status, reason=reason, retry_after=seconds)


def _passes(reason: str, message: str) -> bool:
    """Whether a refusal may be over soon. The API that switches on the others has to be on already."""
    off = reason in _OFF_REASONS and not message.startswith("Service Usage API")
    return off or reason in _TRANSIENT_REASONS


def _fail_operation(code: str, message: str) -> NoReturn:
    kind = QuotaError if code in _QUOTA_REASONS else CloudError
    raise kind(" ".join(message.split()), reason=code)


def _last(address: str) -> str:
    return address.rpartition("/")[2]
