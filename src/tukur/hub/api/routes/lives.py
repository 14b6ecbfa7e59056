"""Search of process lives by what they ran."""

from typing import Annotated, Any

from litestar import Request, get
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from tukur.hub.api.parameters import ExactText, Limit
from tukur.hub.api.problems import problems
from tukur.hub.api.times import OptionalFrom, OptionalTo, open_range_ms
from tukur.hub.auth.identity import Identity
from tukur.hub.container import Hub
from tukur.hub.history.lives import parse_cursor, parse_terms
from tukur.hub.models.history import Lives
from tukur.hub.store.record.lives import LifeQuery

Search = Annotated[
    str,
    QueryParameter(
        description="Search terms separated by spaces; each must be the prefix of a word in "
        "the name, the program or the command line",
        max_length=300,
    ),
]
HostParameter = Annotated[str | None, QueryParameter(description="Only this host", max_length=60)]
After = Annotated[str | None, QueryParameter(description="`next` of the previous response", max_length=120)]


@get(
    "/api/lives",
    operation_id="findLives",
    summary="Search process lives of all hosts that the requester may see",
    tags=["history"],
    responses=problems(400, 401, 404, 503),
)
async def find_lives(
    request: Request[Identity, Any, State],
    hub: NamedDependency[Hub],
    q: Search = "",
    user: ExactText = "",
    unit: ExactText = "",
    container: ExactText = "",
    host: HostParameter = None,
    from_: OptionalFrom = None,
    to: OptionalTo = None,
    limit: Limit = 100,
    after: After = None,
) -> Lives:
    """Newest first. A life that ran several programs one after another is found by each of them."""
    begin, end = open_range_ms(from_, to)
    query = LifeQuery(
        terms=parse_terms(q),
        user=user,
        unit=unit,
        container=container,
        from_ms=begin,
        to_ms=end,
        after=None if after is None else parse_cursor(after),
    )
    return await hub.history.lives(query, host, limit, request.user.sees)
