"""What the API's own document allows and what it does not is answered as it says, for every role."""

import contextlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.running import Up, running, the_host, tukur
from tukur.hub.api.openapi import document

CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = 6
"""Of each operation, for each role and each way to make them up."""
WHO = ["nobody", "viewer", "operator", "admin", "operator of a group"]
FOUND = list(schemathesis.openapi.from_dict(document()).get_all_operations())
OPERATIONS = [result.ok() for result in FOUND if isinstance(result, Ok)]
assert len(OPERATIONS) == len(FOUND), "the document has invalid operations"
SIGN_IN = "/api/session"
"""Guesses here are braked after ten; the brake has its own test."""


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with running(tmp_path_factory.mktemp("openapi"), "--monitor-only") as started:
        yield started


@pytest.fixture(scope="module")
def real_host(up: Up) -> str:
    with contextlib.closing(up.sign_in()) as client:
        return str(the_host(client)["host_id"])


@pytest.fixture(scope="module")
def headers(up: Up, real_host: str) -> dict[str, dict[str, str]]:
    """Of each asker."""
    folder = ("--data", str(up.data))
    assert tukur("host", "groups", real_host, "web", *folder).returncode == 0
    of_group = ("--role", "operator", "--group", "web")
    made = {who: ("--role", who) for who in ("viewer", "operator", "admin")} | {
        "operator of a group": of_group
    }
    tokens = {
        who: tukur("token", "create", "--name", who, *options, *folder).stdout.strip()
        for who, options in made.items()
    }
    return {"nobody": {}, **{who: {"Authorization": f"Bearer {token}"} for who, token in tokens.items()}}


def name_of(operation: Any) -> str:
    return f"{operation.method.upper()} {operation.path}"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("operation", OPERATIONS, ids=name_of)
def test_every_answer_is_as_the_document_says_for_every_role(
    up: Up, headers: dict[str, dict[str, str]], real_host: str, operation: Any
) -> None:
    for who in WHO:
        for mode in schemathesis.GenerationMode:
            _walk(operation, mode, f"http://127.0.0.1:{up.port}", headers[who], real_host)
    answer = httpx.get(f"http://127.0.0.1:{up.port}/healthz")
    assert answer.status_code == 200


def _walk(operation: Any, mode: Any, url: str, headers: dict[str, str], real_host: str) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def asked(case: Any) -> None:
        if "wait_s" in (case.query or {}):
            case.query["wait_s"] = "0"
        case.call_and_validate(base_url=url, headers=headers, checks=CHECKS, timeout=10)
        if "host_id" in (case.path_parameters or {}) and not operation.path.endswith(
            ("/revoke", "/{host_id}")
        ):
            case.path_parameters["host_id"] = real_host
            case.call_and_validate(base_url=url, headers=headers, checks=CHECKS, timeout=10)

    # There is no wrong way to ask what has no parameters.
    with contextlib.suppress(Unsatisfiable):
        asked()
