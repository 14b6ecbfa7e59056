"""What an order may ask for, and what the logs say of it."""

import re
from typing import Any

from tukur.hub.errors import ProblemError
from tukur.hub.models.order import Order, OrderRequest

_VALUES = {"renice": re.compile(r"-?\d{1,2}"), "ionice": re.compile(r"idle|best-effort:[0-7]")}
_EXPECTED = {"renice": "-20 to 19", "ionice": "idle or best-effort:0 to best-effort:7"}


def check(request: OrderRequest, *, reason_needed: bool) -> None:
    """Raises ProblemError (400)."""
    problem = ""
    if (request.verb == "signal") != (request.signal is not None):
        problem = (
            f"verb {request.verb} and signal {request.signal}; a signal with the verb signal alone expected"
        )
    elif (request.scope in ("cgroup", "unit")) != bool(request.of):
        problem = (
            f"scope {request.scope} of {request.of!r}; `of` names the cgroup or the unit, and nothing else"
        )
    elif request.verb in ("freeze", "thaw") and request.scope not in ("cgroup", "unit"):
        problem = f"{request.verb} of a {request.scope}; scope cgroup or unit expected"
    elif request.verb in ("renice", "ionice") and not _VALUES[request.verb].fullmatch(request.value):
        problem = f"{request.verb} {request.value!r}; {_EXPECTED[request.verb]} expected"
    if problem:
        raise ProblemError(400, "bad_order", problem)
    if reason_needed and not request.reason.strip():
        raise ProblemError(400, "reason_needed", "this hub sends no order without a reason")


def summary(order: Order) -> str:
    """One line for the log."""
    action = f"{order.verb} {order.signal or order.value}".strip()
    target = (
        f"PID {order.pid}" if order.scope == "process" else f"the {order.scope} of PID {order.pid} {order.of}"
    )
    return f"{action} to {target.strip()} on {order.host_id}"


def request_detail(order: Order) -> dict[str, Any]:
    """What the audit log records of an order that is asked for or sent."""
    detail: dict[str, Any] = {
        "signal": order.signal,
        "pid": order.pid,
        "name": order.name,
        "reason": order.reason,
        "order_id": order.order_id,
        "boot_id": order.boot_id,
        "start_ns": order.start_ns,
    }
    if order.verb != "signal" or order.scope != "process":
        detail |= {"verb": order.verb, "scope": order.scope, "value": order.value, "of": order.of}
    if order.approver:
        detail["approver"] = order.approver
    return detail


def outcome_detail(order: Order) -> dict[str, Any]:
    """What the audit log records of an order's outcome."""
    names = ("code", "detail", "after_ms", "exit_code", "exit_signal", "respawned_pid", "freed")
    known = {name: value for name in names if (value := getattr(order, name)) not in (None, "")}
    identity = {"signal": order.signal, "pid": order.pid, "name": order.name, "order_id": order.order_id}
    return {**identity, **known}
