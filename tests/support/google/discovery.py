"""What Google's discovery documents allow: which method a request calls, and what is wrong with it."""

import functools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import googleapiclient

Json = dict[str, Any]

DOCUMENTS = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"
APIS = (
    "compute.v1",
    "iam.v1",
    "secretmanager.v1",
    "monitoring.v3",
    "cloudresourcemanager.v3",
    "serviceusage.v1",
)

_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "array": list,
    "object": dict,
}
# gcloud sends it with each aggregated list, and Google takes it; the document names it for some of them only.
_UNDOCUMENTED = ("returnPartialSuccess",)
# Google's JSON carries 64-bit integers as strings and takes them as numbers too.
_LONG = ("int64", "uint64")


class InvalidRequestError(Exception):
    """What is wrong with a request, by the discovery document."""


class PathPattern:
    """Compiled when it is first asked: a document has a thousand of them, a test calls twenty."""

    def __init__(self, template: str, parameters: Mapping[str, Json]) -> None:
        self._template, self._parameters = template, parameters
        self._prefix = template.partition("{")[0]

    def fullmatch(self, path: str) -> re.Match[str] | None:
        return self._compiled.fullmatch(path) if path.startswith(self._prefix) else None

    @functools.cached_property
    def _compiled(self) -> re.Pattern[str]:
        parts = re.split(r"\{\+?(\w+)\}", self._template)
        return re.compile("".join(self._part(index, part) for index, part in enumerate(parts)))

    def _part(self, index: int, part: str) -> str:
        if index % 2 == 0:
            return re.escape(part)
        # A name does not reach into the custom verb behind it, `secrets/NAME:getIamPolicy`.
        pattern = self._parameters[part].get("pattern", "[^/]+").strip("^$").replace("[^/]", "[^/:]")
        return f"(?P<{part}>{pattern})"


@dataclass(frozen=True, slots=True)
class Method:
    """A method of an API."""

    id: str
    verb: str
    pattern: PathPattern
    query: Mapping[str, Json]
    required: tuple[str, ...]
    request: str | None


class Api:
    """One discovery document."""

    def __init__(self, document: Json) -> None:
        self._schemas: Mapping[str, Json] = document["schemas"]
        base = "/" + document["servicePath"]
        common = document.get("parameters", {})
        self._methods = [_method(base, common, found) for found in _methods(document)]
        self._matched: dict[tuple[str, str], tuple[Method, dict[str, str]]] = {}

    def match(self, verb: str, path: str) -> tuple[Method, dict[str, str]] | None:
        """The method that a request calls, and the parameters in its path."""
        if (verb, path) in self._matched:
            return self._matched[verb, path]
        for method in self._methods:
            if method.verb == verb and (found := method.pattern.fullmatch(path)):
                self._matched[verb, path] = method, found.groupdict()
                return self._matched[verb, path]
        return None

    def check(self, method: Method, query: Mapping[str, str], body: Json | None) -> None:
        """Raises InvalidRequestError for what the document does not allow."""
        for name, value in query.items():
            if name in _UNDOCUMENTED:
                continue
            if name not in method.query:
                raise InvalidRequestError(f"{method.id} has no parameter {name!r}")
            _check_parameter(name, method.query[name], value)
        if missing := [name for name in method.required if name not in query]:
            raise InvalidRequestError(f"{method.id}: parameter {missing[0]!r} is missing")
        if method.request is None:
            if body:
                raise InvalidRequestError(f"{method.id} takes no body, found {body!r}")
            return
        self._check(method, {"$ref": method.request}, body or {}, "body")

    def _check(self, method: Method, schema: Json, value: Any, where: str) -> None:
        if "$ref" in schema:
            schema = {"type": "object", **self._schemas[schema["$ref"]]}
        kind = schema.get("type", "any")
        if kind == "any":
            return
        _check_kind(schema, value, where)
        if kind == "array":
            for index, item in enumerate(value):
                self._check(method, schema["items"], item, f"{where}[{index}]")
        elif kind == "object":
            self._check_object(method, schema, value, where)

    def _check_object(self, method: Method, schema: Json, value: Json, where: str) -> None:
        properties, others = schema.get("properties", {}), schema.get("additionalProperties")
        for key, item in value.items():
            field = properties.get(key, others)
            if field is None:
                raise InvalidRequestError(f"{where}: unknown field {key!r}")
            if field.get("readOnly"):
                raise InvalidRequestError(f"{where}.{key} is read only")
            self._check(method, field, item, f"{where}.{key}")
        for key, field in properties.items():
            if method.id in field.get("annotations", {}).get("required", ()) and key not in value:
                raise InvalidRequestError(f"{where}: field {key!r} is missing")


def _check_kind(schema: Json, value: object, where: str) -> None:
    kind = schema["type"]
    expected = _KINDS[kind]
    if schema.get("format") in _LONG:
        expected = (str, int)
    if not isinstance(value, expected) or (isinstance(value, bool) and kind != "boolean"):
        raise InvalidRequestError(f"{where}: found {value!r}, a value of type {kind} expected")
    if schema.get("format") in _LONG and not re.fullmatch(r"-?\d+", str(value)):
        raise InvalidRequestError(f"{where}: found {value!r}, an integer expected")
    if "enum" in schema and value not in schema["enum"]:
        raise InvalidRequestError(f"{where}: found {value!r}, one of {', '.join(schema['enum'])} expected")
    # That of an array is meant for each of its items.
    texts: list[object] = list(value) if isinstance(value, list) else [value]
    if "pattern" in schema and not all(re.fullmatch(schema["pattern"], str(text)) for text in texts):
        raise InvalidRequestError(f"{where}: found {value!r}, which does not match {schema['pattern']}")


def _check_parameter(name: str, schema: Json, text: str) -> None:
    kind = schema["type"]
    if kind == "boolean" and text.lower() not in ("true", "false"):
        raise InvalidRequestError(f"parameter {name}: found {text!r}, true or false expected")
    if kind == "integer" and not re.fullmatch(r"-?\d+", text):
        raise InvalidRequestError(f"parameter {name}: found {text!r}, an integer expected")
    if kind == "string":
        _check_kind({key: schema[key] for key in schema.keys() - {"format"}}, text, f"parameter {name}")


def _methods(resource: Json) -> Iterator[Json]:
    yield from resource.get("methods", {}).values()
    for inner in resource.get("resources", {}).values():
        yield from _methods(inner)


def _method(base: str, common: Mapping[str, Json], found: Json) -> Method:
    parameters: Mapping[str, Json] = found.get("parameters", {})
    query = {name: schema for name, schema in parameters.items() if schema["location"] == "query"}
    return Method(
        id=found["id"],
        verb=found["httpMethod"],
        pattern=PathPattern(base + found["path"], parameters),
        query={**common, **query},
        required=tuple(name for name, schema in query.items() if schema.get("required")),
        request=found.get("request", {}).get("$ref"),
    )


@functools.cache
def apis() -> tuple[Api, ...]:
    """All of them."""
    return tuple(Api(json.loads((DOCUMENTS / f"{name}.json").read_text(encoding="utf-8"))) for name in APIS)
