"""The life of an order as a state machine: rows in, rows out. No database, no clock, no network.

Each function takes the row as it was read and returns the row that follows, or None where this state has no
such transition. Whoever stores the new row does so on the condition that the old one is still there
(:meth:`tukur.hub.store.control.orders.OrderTable.replace`) and asks again where it is not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from tukur.hub.models.order import Order, OrderMember
from tukur.hub.store.control.orders import OrderRow
from tukur.protocol.messages import OrderResult

_MAX_CODE = 64
_MAX_UNIT = 255


class State(StrEnum):
    """Where an order is. The values are stored."""

    WAITING = "waiting"
    """A second person has to approve it. Ends at its deadline as declined."""
    APPROVED = "approved"
    """Approved, and not sent yet. Ends at its deadline as failed: nothing was sent."""
    SENT = "sent"
    """Handed to the agent's connection, or about to be: it may be carried out from here on."""
    DELIVERED = "delivered"
    """The agent has reported that it acted, and observes what happens."""
    UNKNOWN = "unknown"
    """The deadline passed before the outcome was known. Shown as final; a late outcome is still taken."""
    FINAL = "final"
    """The outcome is known."""


NEXT: Mapping[State, frozenset[State]] = {
    State.WAITING: frozenset({State.APPROVED, State.FINAL}),
    State.APPROVED: frozenset({State.SENT, State.FINAL}),
    State.SENT: frozenset({State.DELIVERED, State.UNKNOWN, State.FINAL}),
    State.DELIVERED: frozenset({State.UNKNOWN, State.FINAL}),
    State.UNKNOWN: frozenset({State.FINAL}),
    State.FINAL: frozenset(),
}
"""Every transition there is."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long an order may stay in a state, seconds."""

    approval_s: float = 600
    """Waiting for a second person."""
    expires_s: float = 10
    """A signed order is good for this long; an approved one is sent within it."""
    observed_s: float = 8
    """How long after its expiry the outcome is waited for."""


def request(order: Order, now_ms: int, limits: Limits) -> OrderRow:
    """A new order that waits for a second person."""
    shown = msgspec.structs.replace(order, outcome="waiting", final=False)
    return OrderRow(shown, State.WAITING, None, now_ms + _ms(limits.approval_s))


def issue(order: Order, now_ms: int, limits: Limits) -> OrderRow:
    """A new order that is sent at once."""
    shown = msgspec.structs.replace(order, outcome="pending", final=False)
    return OrderRow(shown, State.SENT, now_ms, _outcome_deadline(now_ms, limits))


def decide(row: OrderRow, approver: str, now_ms: int, limits: Limits, *, approve: bool) -> OrderRow | None:
    """A second person approves or declines it. None: it does not wait for anybody, or no longer."""
    if row.state != State.WAITING or _is_due(row, now_ms):
        return None
    if not approve:
        return _end(row, approver=approver, outcome="declined")
    shown = msgspec.structs.replace(row.order, approver=approver, outcome="pending")
    return OrderRow(shown, State.APPROVED, None, now_ms + _ms(limits.expires_s))


def send(row: OrderRow, now_ms: int, limits: Limits) -> OrderRow | None:
    """An approved order is about to be handed to the agent's connection."""
    if row.state != State.APPROVED or _is_due(row, now_ms):
        return None
    return OrderRow(row.order, State.SENT, now_ms, _outcome_deadline(now_ms, limits))


def not_sent(row: OrderRow) -> OrderRow | None:
    """The agent's connection was not there: nothing was sent."""
    if row.state != State.SENT:
        return None
    return _end(row, outcome="no_answer", code="host_offline", detail="the host is offline; nothing was sent")


def report(row: OrderRow, result: OrderResult) -> OrderRow | None:
    """The host's agent reports. None: it says nothing new, or the outcome is known already."""
    if row.state not in (State.SENT, State.DELIVERED, State.UNKNOWN):
        return None
    if result.final:
        return _end(row, **_reported(result))
    if result.outcome == "delivered" and not _is_news_of_delivery(row):
        return None
    if row.state == State.UNKNOWN:
        return _still_unknown(row, result)
    if row.state == State.DELIVERED and row.order.outcome == result.outcome:
        return None
    shown = msgspec.structs.replace(row.order, **_reported(result))
    return OrderRow(shown, State.DELIVERED, row.sent_ms, row.deadline_ms)


def expire(row: OrderRow, now_ms: int) -> OrderRow | None:
    """Its deadline has passed. None: it has not, or the order has none."""
    return _expired(row) if _is_due(row, now_ms) else None


def _expired(row: OrderRow) -> OrderRow | None:
    match row.state:
        case State.WAITING:
            waited_s = ((row.deadline_ms or 0) - row.order.issued_ms) / 1000
            return _end(row, outcome="declined", detail=f"nobody approved it within {_duration(waited_s)}")
        case State.APPROVED:
            detail = "the hub did not send it in time after it was approved; nothing was sent"
            return _end(row, outcome="failed", code="not_sent", detail=detail)
        case State.SENT:
            return _unknown(row, outcome="no_answer", detail="the host has not reported what happened")
        case State.DELIVERED if row.order.outcome == "delivered":
            return _unknown(row, outcome="no_answer", code="delivered", detail=_DELIVERED)
        case State.DELIVERED:
            # The outcome that was reported stays: just what would have followed it is not known.
            return _unknown(row, detail=_NO_MORE)
        case _:
            return None


_DELIVERED = "it was delivered, but the host has not reported what became of it"
_NO_MORE = "the host has not reported whether it was started again"


def _still_unknown(row: OrderRow, result: OrderResult) -> OrderRow | None:
    """After the deadline: a report that is not the last says more, but does not end the uncertainty."""
    if result.outcome == "delivered":
        return _unknown(row, code="delivered", detail=_DELIVERED)
    if row.order.outcome == result.outcome:
        return None
    return _unknown(row, **{**_reported(result), "detail": _NO_MORE})


def _is_news_of_delivery(row: OrderRow) -> bool:
    """Whether "delivered" is more than what is known: not after it, and not after what followed it."""
    if row.state == State.UNKNOWN:
        return row.order.outcome == "no_answer" and row.order.code != "delivered"
    return row.state == State.SENT


def _reported(result: OrderResult) -> dict[str, object]:
    return {
        "outcome": result.outcome,
        "code": result.code[:_MAX_CODE],
        "detail": result.detail,
        "after_ms": result.after_ms,
        "exit_code": result.exit_code,
        "exit_signal": result.exit_signal,
        "respawned_pid": result.respawned_pid,
        "respawned_unit": result.respawned_unit[:_MAX_UNIT],
        "freed": result.freed,
        "more": result.more,
        "members": [
            OrderMember(
                pid=each.pid,
                start_ns=str(each.start_ns),
                name=each.name,
                outcome=each.outcome,
                detail=each.detail,
            )
            for each in result.members
        ],
    }


def _end(row: OrderRow, **changes: object) -> OrderRow:
    return OrderRow(msgspec.structs.replace(row.order, final=True, **changes), State.FINAL, row.sent_ms, None)


def _unknown(row: OrderRow, **changes: object) -> OrderRow:
    # Final for whoever follows it: nothing more need come.
    shown = msgspec.structs.replace(row.order, **{**changes, "final": True})
    return OrderRow(shown, State.UNKNOWN, row.sent_ms, None)


def _is_due(row: OrderRow, now_ms: int) -> bool:
    return row.deadline_ms is not None and row.deadline_ms <= now_ms


def _outcome_deadline(sent_ms: int, limits: Limits) -> int:
    return sent_ms + _ms(limits.expires_s + limits.observed_s)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 60 else f"{seconds:.3g} s"
