"""The audit log: who did what, from where, to whom, with what result."""

from typing import Annotated

from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.response import Stream

from tukur.hub.api.problems import problems
from tukur.hub.api.times import Since, Until, open_range_ms
from tukur.hub.audit.log import told
from tukur.hub.container import Hub
from tukur.hub.models.audit import AuditEntries, AuditEntry
from tukur.hub.store.control.audit import AuditQuery

Text = Annotated[str, QueryParameter(max_length=255, description="The whole text, as it is shown")]
Action = Annotated[
    str,
    QueryParameter(max_length=64, description="An action, or what it begins with: `order` for all of orders"),
]
Limit = Annotated[int, QueryParameter(ge=1, le=1000)]
Before = Annotated[int | None, QueryParameter(ge=1, le=2**62, description="`next` of the answer before")]


@get(
    "/api/audit",
    operation_id="listAudit",
    summary="The audit log, the newest first",
    tags=["audit"],
    responses=problems(400, 401, 403, 503),
)
async def list_audit(
    hub: NamedDependency[Hub],
    actor: Text = "",
    action: Action = "",
    target: Text = "",
    result: Text = "",
    from_: Since = None,
    to: Until = None,
    limit: Limit = 100,
    before: Before = None,
) -> AuditEntries:
    """Entries are never changed and never deleted; `tukur audit verify` shows whether somebody tried."""
    begin, end = open_range_ms(from_, to)
    query = AuditQuery(
        actor=actor, action=action, target=target, result=result, from_ms=begin, to_ms=end, before=before
    )
    found = await hub.audit.find(query, limit + 1)
    more = len(found) > limit
    return AuditEntries(
        entries=[AuditEntry(**told(entry)) for entry in found[:limit]],
        next=found[limit - 1].seq if more else None,
    )


@get(
    "/api/audit/export",
    operation_id="exportAudit",
    summary="The whole audit log, a line of JSON for each entry, the oldest first",
    tags=["audit"],
    media_type="application/x-ndjson",
    responses=problems(401, 403, 503),
)
async def export_audit(hub: NamedDependency[Hub]) -> Stream:
    """With hashes and signatures in hex; `docs/reference/audit.md` says how to check them elsewhere."""
    return Stream(hub.audit.lines(), media_type="application/x-ndjson")
