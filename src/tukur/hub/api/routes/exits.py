"""How lives ended."""

from typing import Annotated

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from tukur.hub.api.problems import problems
from tukur.hub.api.times import From, To, range_ms
from tukur.hub.container import Hub
from tukur.hub.history.exits import Only, parse_cursor
from tukur.hub.models.exit import Exits

ExitLimit = Annotated[int, QueryParameter(ge=1, le=5000, description="Maximum number of results")]
OnlyFilter = Annotated[
    Only,
    QueryParameter(
        description="All; failed (exit code above 0 or a signal); killed by a signal; by the OOM killer"
    ),
]
After = Annotated[str | None, QueryParameter(description="`next` of the previous response", max_length=60)]


@get(
    "/api/hosts/{host_id:str}/exits",
    operation_id="listExits",
    summary="The lives that ended within a range",
    tags=["history"],
    responses=problems(400, 401, 404, 503),
)
async def list_exits(
    host_id: FromPath[str],
    from_: From,
    to: To,
    hub: NamedDependency[Hub],
    only: OnlyFilter = "all",
    limit: ExitLimit = 200,
    after: After = None,
) -> Exits:
    """Newest first, however short; with aggregated lives, and counts of what the kernel lost."""
    begin, end = range_ms(from_, to)
    cursor = None if after is None else parse_cursor(after)
    return await hub.history.exits(host_id, begin, end, only, limit, cursor)
