"""Processes killed by the OOM killer."""

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath

from tukur.hub.api.parameters import Limit
from tukur.hub.api.problems import problems
from tukur.hub.api.times import From, To, range_ms
from tukur.hub.container import Hub
from tukur.hub.models.exit import OomKills


@get(
    "/api/hosts/{host_id:str}/ooms",
    operation_id="listOomKills",
    summary="The processes killed by the OOM killer",
    tags=["history"],
    responses=problems(400, 401, 404, 503),
)
async def list_ooms(
    host_id: FromPath[str], from_: From, to: To, hub: NamedDependency[Hub], limit: Limit = 200
) -> OomKills:
    """Newest first, with the cgroup whose limit was reached and the process that had asked for memory."""
    begin, end = range_ms(from_, to)
    return await hub.history.ooms(host_id, begin, end, limit)
