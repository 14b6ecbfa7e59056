"""The API's description describes the API."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tukur.hub.api.openapi import document
from tukur.hub.auth.rights import RIGHTS

UNDESCRIBED = {
    *("/", "/{file_path}", "/api/docs", "/api/openapi.json", "/ca.pem"),
    *("/install.sh", "/install/{name}"),
    *("/api/oidc/start", "/api/oidc/return"),
}
"""The page's own, the installer's files, and where browsers are sent to and fro."""
NEVER_FAILS = "/api/sign-in"


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method.upper(), path, operation)
        for path, methods in document()["paths"].items()
        for method, operation in methods.items()
    ]


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [found for value in node.values() for found in references(value)]
    return [found for value in node for found in references(value)] if isinstance(node, list) else []


def test_it_is_openapi_3_1_and_every_reference_in_it_leads_somewhere() -> None:
    described = document()
    assert described["openapi"].startswith("3.1")
    for reference in set(references(described)):
        node: Any = described
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]


def test_it_describes_every_route_but_the_pages_own() -> None:
    routes = {key for key in RIGHTS if key[0] != "WEBSOCKET" and key[1] not in UNDESCRIBED}
    assert {(method, path) for method, path, _ in operations()} == routes


@pytest.mark.parametrize(("method", "path", "operation"), operations(), ids=lambda value: str(value)[:40])
def test_each_operation_has_a_name_a_summary_and_its_problems(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    assert operation["operationId"].isidentifier()
    assert operation["summary"]
    assert operation["tags"]
    problems = {status: answer for status, answer in operation["responses"].items() if status[0] in "45"}
    assert problems or path == NEVER_FAILS
    for answer in problems.values():
        (content,) = answer["content"].values()
        assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
        assert answer["description"]
    public = RIGHTS[method, path] is None
    assert ("401" in problems) == (not public or path == "/api/session")


def test_operations_have_names_of_their_own() -> None:
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(names)) == len(names)


def test_a_process_table_is_also_offered_as_a_frame() -> None:
    answer = document()["paths"]["/api/hosts/{host_id}/processes"]["get"]["responses"]["200"]
    assert set(answer["content"]) == {"application/json", "application/vnd.tukur.frame"}


def test_attributes_are_described_in_the_words_of_the_models() -> None:
    properties = document()["components"]["schemas"]["Series"]["properties"]
    assert properties["step_ms"]["description"] == "Duration covered by each point, from its time on."


def test_the_module_prints_the_document_and_needs_no_database_driver() -> None:
    probe = (
        "import runpy, sys; runpy.run_module('tukur.hub.api.openapi', run_name='__main__');"
        "assert 'aiosqlite' not in sys.modules"
    )
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", probe], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == document()
