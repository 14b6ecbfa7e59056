"""The OpenAPI 3.1 document, made without starting anything: ``python -m tukur.hub.api.openapi``."""

import ast
import inspect
import json
import sys
from functools import lru_cache
from typing import Any

from litestar import Litestar
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme, Tag

from tukur import __version__
from tukur.hub.api.registry import API_ROUTES, DEPENDENCIES
from tukur.hub.api.routes.hosts import FRAME_TYPE
from tukur.hub.auth.gate import COOKIE
from tukur.hub.models import account as account_models
from tukur.hub.models import models

_TAGS = {
    "session": "Signing in and out",
    "account": "One's own password, second factor and sessions",
    "users": "Who may sign in, and what each may do",
    "hosts": "The machines that are watched",
    "history": "Any recorded second, and ranges",
    "orders": "Signals to processes, and their outcome",
    "health": "Whether the hub works",
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


def _correct(part: Any) -> None:
    """What Litestar's document says too much: bodies of 204, and "just one of number and integer"."""
    if isinstance(part, list):
        for each in part:
            _correct(each)
    elif isinstance(part, dict):
        part.get("responses", {}).get("204", {}).pop("content", None)
        kinds = part.get("oneOf")
        if kinds and {"type": "number"} in kinds:
            part["oneOf"] = [kind for kind in kinds if kind != {"type": "integer"}]
        for each in part.values():
            _correct(each)


def _describe(schemas: dict[str, Any]) -> None:
    """The texts under the models' attributes, which Python forgets, become descriptions."""
    parsed = (ast.parse(inspect.getsource(module)) for module in (models, account_models))
    for node in (node for module in parsed for node in module.body):
        if isinstance(node, ast.ClassDef) and node.name in schemas:
            schema = schemas[node.name]
            if text := ast.get_docstring(node):
                schema["description"] = text
            for name, words in _attribute_texts(node):
                _describe_property(schema["properties"], name, words)


def _attribute_texts(node: ast.ClassDef) -> list[tuple[str, str]]:
    texts = []
    for field, after in zip(node.body, node.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
        ):
            texts.append((field.target.id, inspect.cleandoc(str(after.value.value))))
    return texts


def _describe_property(properties: dict[str, Any], name: str, text: str) -> None:
    if name in properties:
        properties[name]["description"] = " ".join(text.split())


if __name__ == "__main__":
    sys.stdout.write(json.dumps(document(), indent=2) + "\n")
