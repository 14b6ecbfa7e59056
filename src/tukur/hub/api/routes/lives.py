"""Lives, found by what they ran."""

from typing import Annotated, Any

from litestar import Request, get
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from tukur.hub.api.problems import problems
from tukur.hub.api.times import Since, Until, open_range_ms
from tukur.hub.auth.identity import Identity
from tukur.hub.container import Hub
from tukur.hub.history.lives import parse_cursor, parse_terms
from tukur.hub.models.history import Lives
from tukur.hub.store.record.lives import LifeQuery

Search = Annotated[
    str,
    QueryParameter(
        description="Texts with spaces between them; each must occur in the name, the program or the command "
        "line, from the beginning of a word on",
        max_length=300,
    ),
]
Text = Annotated[str, QueryParameter(max_length=255, description="The whole text, as it is shown")]
HostParameter = Annotated[str | None, QueryParameter(description="Of one host only", max_length=60)]
Limit = Annotated[int, QueryParameter(ge=1, le=1000)]
After = Annotated[str | None, QueryParameter(description="`next` of the answer before", max_length=120)]


@get(
    "/api/lives",
    operation_id="findLives",
    summary="Process lives of all hosts that the asker may see, by what they ran",
    tags=["history"],
    responses=problems(400, 401, 404, 503),
)
async def find_lives(
    request: Request[Identity, Any, State],
    hub: NamedDependency[Hub],
    q: Search = "",
    user: Text = "",
    unit: Text = "",
    container: Text = "",
    host: HostParameter = None,
    from_: Since = None,
    to: Until = None,
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
