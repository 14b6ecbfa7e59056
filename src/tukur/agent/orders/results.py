"""What is told of an order."""

import os

from tukur.protocol.messages import OrderBody, OrderResult, Outcome


def result(
    body: OrderBody, outcome: Outcome, *, code: str = "", detail: str = "", after_ms: float | None = None
) -> OrderResult:
    """The last word on an order."""
    return OrderResult(
        order_id=body.order_id, outcome=outcome, final=True, code=code, detail=detail, after_ms=after_ms
    )


def exit_result(body: OrderBody, status: int | None, after_ms: float, *, final: bool) -> OrderResult:
    """That the process ended, and how where its wait status is known."""
    return OrderResult(
        order_id=body.order_id,
        outcome="exited",
        final=final,
        after_ms=after_ms,
        exit_code=os.WEXITSTATUS(status) if status is not None and os.WIFEXITED(status) else None,
        exit_signal=os.WTERMSIG(status) if status is not None and os.WIFSIGNALED(status) else None,
    )


def failure(body: OrderBody, error: OSError) -> OrderResult:
    """That the system would not do it."""
    outcome, code, detail = failed_words(error)
    return result(body, outcome, code=code, detail=detail)


def failed_words(error: OSError) -> tuple[Outcome, str, str]:
    """Outcome, code and sentence for an error of the system."""
    if isinstance(error, PermissionError):
        lack = "the agent lacks the right to do this (signals: CAP_KILL, priorities: CAP_SYS_NICE)"
        return "not_permitted", "EPERM", lack
    return "failed", str(error.errno), str(error.strerror)
