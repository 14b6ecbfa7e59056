"""Gaps in the record, and their reasons."""

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath

from tukur.hub.api.parameters import Limit
from tukur.hub.api.problems import problems
from tukur.hub.api.times import From, To, range_ms
from tukur.hub.container import Hub
from tukur.hub.models.record import RecordGaps


@get(
    "/api/hosts/{host_id:str}/gaps",
    operation_id="listGaps",
    summary="The gaps in a range, and their reasons",
    tags=["history"],
    responses=problems(400, 401, 404, 503),
)
async def list_gaps(
    host_id: FromPath[str], from_: From, to: To, hub: NamedDependency[Hub], limit: Limit = 200
) -> RecordGaps:
    """Oldest first: what the agent had to discard, with its reason, and where nothing was recorded."""
    begin, end = range_ms(from_, to)
    return await hub.history.gaps(host_id, begin, end, limit)
