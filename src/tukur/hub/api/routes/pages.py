"""The page as the build made it, the API's description, and the health check."""

import hashlib
import mimetypes
from pathlib import Path

from litestar import MediaType, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import File

from tukur.hub.api.problems import problems
from tukur.hub.container import Hub
from tukur.hub.errors import ProblemError
from tukur.hub.models.common import Health
from tukur.hub.tls.authority import pem

WEB = Path(__file__).resolve().parents[2] / "web"
"""Where the build puts the page."""

VIEWS = ("/", "/over-time", "/hosts", "/audit", "/users", "/account", "/sign-in")
"""Paths that the page itself routes."""

_NOT_BUILT = (
    "The page was not built: src/tukur/hub/web/ is missing.\n"
    "`make build` or `pip install .` builds it; `make run` does so and starts. The API works.\n"
)
_FOREVER = "public, max-age=31536000, immutable"


def _file(name: str, base_path: str) -> File | Response[bytes]:
    root = WEB.resolve()
    path = (root / name).resolve()
    if not root.is_dir() or not (root / "index.html").is_file():
        return Response(_NOT_BUILT.encode(), status_code=503, media_type=MediaType.TEXT)
    if not path.is_relative_to(root) or not path.is_file():
        raise ProblemError(404, "not_found", f"there is no page /{name[:100]}")
    # Files under assets/ carry a hash of their content in their name; the others have an ETag.
    if path.suffix == ".html":
        return _document(path, base_path)
    cache = _FOREVER if path.is_relative_to(root / "assets") else "no-cache"
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    headers = {"Cache-Control": cache}
    return File(path, filename=path.name, media_type=kind, content_disposition_type="inline", headers=headers)


def _document(path: Path, base_path: str) -> Response[bytes]:
    """A page whose relative addresses begin with the base path: the built page serves under any."""
    content = path.read_bytes().replace(b'="./', f'="{base_path}/'.encode())
    headers = {"Cache-Control": "no-cache", "ETag": f'"{hashlib.sha256(content).hexdigest()[:32]}"'}
    return Response(content, media_type=MediaType.HTML, headers=headers)


@get("/", include_in_schema=False)
async def root(hub: NamedDependency[Hub]) -> File | Response[bytes]:
    """The page."""
    return _file("index.html", hub.settings.base_path)


@get("/{file_path:path}", include_in_schema=False)
async def static(file_path: FromPath[str], hub: NamedDependency[Hub]) -> File | Response[bytes]:
    """The page's files; its own routes are the page."""
    name = "index.html" if file_path in VIEWS else file_path.lstrip("/")
    return _file(name, hub.settings.base_path)


@get("/api/docs", include_in_schema=False)
async def docs(hub: NamedDependency[Hub]) -> File | Response[bytes]:
    """The API's description for a reader; it loads /api/openapi.json."""
    return _file("docs.html", hub.settings.base_path)


@get("/ca.pem", include_in_schema=False)
async def authorities(hub: NamedDependency[Hub]) -> Response[bytes]:
    """The hub's own authority, and the one before it while that is trusted: who joins knows its hash."""
    if not hub.tls.roots:
        raise ProblemError(404, "not_found", "this hub has no authority of its own")
    return Response(pem(hub.tls.roots), media_type="application/x-pem-file")


@get(
    "/healthz",
    operation_id="getHealth",
    summary="Whether the hub works",
    tags=["health"],
    security=[{}],
    responses=problems(503),
)
async def health(hub: NamedDependency[Hub]) -> Health:
    """503 with a Problem while the hub cannot store what agents send, or a background task does not run."""
    fault = hub.ingest_writer.fault
    if fault is not None:
        raise ProblemError(503, fault.code, str(fault))
    failing = hub.supervisor.failing()
    if failing:
        # Names only: whoever asks need not have signed in. The log has the errors.
        raise ProblemError(503, "task_failed", f"background tasks that do not run: {', '.join(failing)}")
    return Health(status="ok")
