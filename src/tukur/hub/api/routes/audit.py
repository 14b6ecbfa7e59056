"""The audit log: who did what, from where, to what, with which result."""

from typing import Annotated

from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.response import Stream

from tukur.hub.api.parameters import ExactText, Limit
from tukur.hub.api.problems import problems
from tukur.hub.api.times import OptionalFrom, OptionalTo, open_range_ms
from tukur.hub.audit.log import to_json
from tukur.hub.container import Hub
from tukur.hub.models.audit import AuditEntries, AuditEntry
from tukur.hub.store.control.audit import AuditQuery

Action = Annotated[
    str,
    QueryParameter(
        max_length=64, description="An action, or its prefix up to a dot: `order` for all of orders"
    ),
]
Before = Annotated[int | None, QueryParameter(ge=1, le=2**62, description="`next` of the previous response")]


@get(
    "/api/audit",
    operation_id="listAudit",
    summary="The audit log, newest first",
    tags=["audit"],
    responses=problems(400, 401, 403, 503),
)
async def list_audit(
    hub: NamedDependency[Hub],
    actor: ExactText = "",
    action: Action = "",
    target: ExactText = "",
    result: ExactText = "",
    from_: OptionalFrom = None,
    to: OptionalTo = None,
    limit: Limit = 100,
    before: Before = None,
) -> AuditEntries:
    """Entries are never changed or deleted; `tukur audit verify` detects tampering."""
    begin, end = open_range_ms(from_, to)
    query = AuditQuery(
        actor=actor, action=action, target=target, result=result, from_ms=begin, to_ms=end, before=before
    )
    found = await hub.audit.find(query, limit + 1)
    more = len(found) > limit
    return AuditEntries(
        entries=[AuditEntry(**to_json(entry)) for entry in found[:limit]],
        next=found[limit - 1].seq if more else None,
    )


@get(
    "/api/audit/export",
    operation_id="exportAudit",
    summary="The whole audit log as JSON lines, oldest first",
    tags=["audit"],
    media_type="application/x-ndjson",
    responses=problems(401, 403, 503),
)
async def export_audit(hub: NamedDependency[Hub]) -> Stream:
    """With hashes and signatures in hex; `docs/reference/audit.md` describes how to verify them."""
    return Stream(hub.audit.lines(), media_type="application/x-ndjson")
