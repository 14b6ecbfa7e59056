"""Error responses: HTTP status, stable code, what was found and what was expected."""

import logging
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi.datastructures import ResponseSpec

from tukur.blocks import BlockDamagedError
from tukur.hub.errors import ProblemError
from tukur.hub.models.common import Problem
from tukur.hub.store.errors import EndedError, StoreError

log = logging.getLogger(__name__)

_CODES = {
    400: "bad_request",
    401: "sign_in_needed",
    403: "not_allowed",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "bad_media_type",
    429: "too_many_requests",
}

_DESCRIPTIONS = {
    400: "A parameter or the body is not valid",
    401: "Not signed in",
    403: "The role does not allow it, or the request comes from another site",
    404: "Not found",
    409: "Conflicts with the present state",
    429: "Too many attempts; try again later",
    503: "The store is unavailable at present",
}


def problems(*statuses: int) -> dict[int, ResponseSpec]:
    """The error responses of a route, for the OpenAPI document."""
    return {
        status: ResponseSpec(Problem, generate_examples=False, description=_DESCRIPTIONS[status])
        for status in statuses
    }


def _response(
    status: int, code: str, detail: str, headers: dict[str, str] | None = None
) -> Response[Problem]:
    return Response(Problem(code=code, detail=detail), status_code=status, headers=headers)


def _problem(_: Request[Any, Any, Any], error: ProblemError) -> Response[Problem]:
    return _response(error.status, error.code, error.detail, error.headers)


def _http(_: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
    code = _CODES.get(error.status_code, f"http_{error.status_code}")
    return _response(error.status_code, code, error.detail)


def _validation(_: Request[Any, Any, Any], error: ValidationException) -> Response[Problem]:
    return _response(400, "bad_request", "; ".join(_messages(error)) or error.detail)


def _messages(error: ValidationException) -> list[str]:
    extra = error.extra if isinstance(error.extra, list) else []
    return [f"{e.get('key', 'body')}: {e.get('message', '')}" for e in extra if isinstance(e, dict)]


def _store(_: Request[Any, Any, Any], error: StoreError) -> Response[Problem]:
    # A disconnected client is not an error.
    log.log(logging.DEBUG if isinstance(error, EndedError) else logging.ERROR, "store error: %s", error)
    return _response(503, error.code, str(error))


def _damaged(_: Request[Any, Any, Any], error: BlockDamagedError) -> Response[Problem]:
    log.error("a recorded block is damaged: %s", error)
    return _response(503, "block_damaged", f"the record of this period is damaged: {error}")


def _unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _response(500, "internal", "unexpected error in the hub; see its log")


HANDLERS: Any = {
    ProblemError: _problem,
    ValidationException: _validation,
    HTTPException: _http,
    StoreError: _store,
    BlockDamagedError: _damaged,
    Exception: _unexpected,
}
"""Exception to handler, for Litestar."""
