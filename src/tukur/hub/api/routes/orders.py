"""Orders: a signal to exactly one process life, and its outcome."""

from typing import Annotated, Any

from litestar import Request, get, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from tukur.hub.api.parameters import Limit
from tukur.hub.api.problems import problems
from tukur.hub.auth.gate import origin_of
from tukur.hub.auth.identity import Identity
from tukur.hub.container import Hub
from tukur.hub.models.order import Decision, Order, OrderRequest, Orders

WaitS = Annotated[float, QueryParameter(ge=0, le=30, description="How many seconds to wait for the outcome")]


@post(
    "/api/hosts/{host_id:str}/orders",
    operation_id="createOrder",
    summary="Send a signal to a process or a set of them, or change what they may use",
    tags=["orders"],
    responses=problems(400, 401, 403, 404, 409, 503),
)
async def create_order(
    request: Request[Identity, Any, State],
    host_id: FromPath[str],
    data: JSONBody[OrderRequest],
    hub: NamedDependency[Hub],
) -> Order:
    """The process is named by its whole key, so that another life of its PID is never signalled.

    The order is signed, expires after 10 seconds and is used once; the host's own policy has the last
    word. The answer comes at once: follow the order for its outcome.
    """
    return await hub.orders.issue(host_id, data, request.user.user, origin_of(request))


@post(
    "/api/orders/{order_id:str}/decision",
    operation_id="decideOrder",
    summary="Approve or decline an order that waits for a second person",
    tags=["orders"],
    status_code=200,
    responses=problems(400, 401, 403, 404, 409, 503),
)
async def decide_order(
    request: Request[Identity, Any, State],
    order_id: FromPath[str],
    data: JSONBody[Decision],
    hub: NamedDependency[Hub],
) -> Order:
    """Orders to hosts that need approval wait ten minutes for a second person who is signed in."""
    return await hub.orders.decide(order_id, request.user, origin_of(request), approve=data.approve)


@get(
    "/api/orders/{order_id:str}",
    operation_id="getOrder",
    summary="An order and its outcome",
    tags=["orders"],
    responses=problems(400, 401, 404, 503),
)
async def get_order(
    request: Request[Identity, Any, State],
    order_id: FromPath[str],
    hub: NamedDependency[Hub],
    wait_s: WaitS = 0.0,
) -> Order:
    """With `wait_s` the response waits until the order is final, or until the time has passed."""
    return await hub.orders.get(order_id, wait_s, request.user)


@get(
    "/api/orders",
    operation_id="listOrders",
    summary="The newest orders",
    tags=["orders"],
    responses=problems(400, 401, 503),
)
async def list_orders(
    request: Request[Identity, Any, State], hub: NamedDependency[Hub], limit: Limit = 100
) -> Orders:
    """Newest first, of all hosts that the asker may see."""
    return Orders(orders=await hub.orders.newest(limit, request.user))
