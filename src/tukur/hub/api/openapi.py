"""The OpenAPI 3.1 document, generated without a hub: ``python -m tukur.hub.api.openapi``."""

import inspect
import json
import sys
from functools import lru_cache
from typing import Any

from litestar import Litestar, MediaType, Response, get
from litestar.di import NamedDependency
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme, Tag
from msgspec import Struct

from tukur import __version__
from tukur.hub.api.registry import API_ROUTES, DEPENDENCIES
from tukur.hub.api.routes.hosts import FRAME_TYPE
from tukur.hub.auth.gate import COOKIE
from tukur.hub.container import Hub

_TAGS = {
    "session": "Signing in and out",
    "account": "Your own password, second factor and sessions",
    "users": "Who may sign in, and with which role",
    "hosts": "The monitored machines",
    "history": "Any recorded second or range",
    "orders": "Signals to processes, and their outcomes",
    "health": "Health check",
}


def _config() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="tukur",
        version=__version__,
        description=(
            "Every process of every host, now or at any recorded second. Sign in with a cookie session, "
            "or send a token of `tukur token create` as `Authorization: Bearer tukur_...`. "
            "Every error is a Problem with a stable code."
        ),
        tags=[Tag(name=name, description=text) for name, text in _TAGS.items()],
        security=[{"bearer": []}, {"cookie": []}],
        components=Components(
            security_schemes={
                "bearer": SecurityScheme(
                    type="http", scheme="bearer", description="A token of `tukur token`"
                ),
                "cookie": SecurityScheme(type="apiKey", name=COOKIE, security_scheme_in="cookie"),
            }
        ),
        use_handler_docstrings=True,
    )


@lru_cache(maxsize=1)
def document() -> dict[str, Any]:
    """The document as plain data."""
    app = Litestar(API_ROUTES, openapi_config=_config(), dependencies=DEPENDENCIES, logging_config=None)
    plain: dict[str, Any] = json.loads(json.dumps(app.openapi_schema.to_schema()))
    _describe(plain["components"]["schemas"])
    _correct(plain)
    table = plain["paths"]["/api/hosts/{host_id}/processes"]["get"]["responses"]["200"]
    table["content"] = {
        "application/json": {"schema": {"$ref": "#/components/schemas/ProcessTable"}},
        FRAME_TYPE: {"schema": {"type": "string", "format": "binary"}},
    }
    return plain


@get("/api/openapi.json", include_in_schema=False)
async def openapi(hub: NamedDependency[Hub]) -> Response[dict[str, Any]]:
    """The OpenAPI 3.1 document."""
    servers = [{"url": hub.settings.base_path or "/"}]
    return Response({**document(), "servers": servers}, media_type=MediaType.JSON)


def _correct(node: Any) -> None:
    """Removes what Litestar adds wrongly: bodies of 204, and ``oneOf`` of number and integer."""
    if isinstance(node, list):
        for child in node:
            _correct(child)
    elif isinstance(node, dict):
        node.get("responses", {}).get("204", {}).pop("content", None)
        types = node.get("oneOf")
        if types and {"type": "number"} in types:
            node["oneOf"] = [kind for kind in types if kind != {"type": "integer"}]
        for child in node.values():
            _correct(child)


def _describe(schemas: dict[str, Any]) -> None:
    """Litestar leaves the models' docstrings out."""
    bases: list[type[Struct]] = [Struct, *Struct.__subclasses__()]
    for model in {model for base in bases for model in base.__subclasses__()}:
        if model.__module__.startswith("tukur.hub.models.") and model.__name__ in schemas:
            # Not inspect.getdoc: a model without a docstring would inherit that of msgspec.
            text = model.__dict__["__doc__"]
            schemas[model.__name__] |= {"description": inspect.cleandoc(text)} if text else {}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(document(), indent=2) + "\n")
