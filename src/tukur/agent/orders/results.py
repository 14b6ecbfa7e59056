"""Results of an order, as they are reported to the hub."""

import os

from tukur.protocol.messages import OrderBody, OrderResult, Outcome
from tukur.sources.proc import Stat, read_stat


def result(
    body: OrderBody, outcome: Outcome, *, code: str = "", detail: str = "", after_ms: float | None = None
) -> OrderResult:
    """The final result of an order."""
    return OrderResult(
        order_id=body.order_id, outcome=outcome, final=True, code=code, detail=detail, after_ms=after_ms
    )


def exit_result(body: OrderBody, status: int | None, after_ms: float, *, final: bool) -> OrderResult:
    """The process exited; with its exit code or signal where the wait status is known."""
    return OrderResult(
        order_id=body.order_id,
        outcome="exited",
        final=final,
        after_ms=after_ms,
        exit_code=os.WEXITSTATUS(status) if status is not None and os.WIFEXITED(status) else None,
        exit_signal=os.WTERMSIG(status) if status is not None and os.WIFSIGNALED(status) else None,
    )


def parent_name(stat: Stat) -> str:
    """The parent of a process, as in a sentence."""
    if not stat.ppid:
        return "a parent outside of this PID namespace"
    parent = read_stat(stat.ppid)
    return f"{parent.name} (PID {stat.ppid})" if parent is not None else f"PID {stat.ppid}"


def ended_already(stat: Stat) -> str:
    """The sentence about a process that was a zombie when the order came."""
    return f"it had ended already, as a zombie of {parent_name(stat)}"


def failure(body: OrderBody, error: OSError) -> OrderResult:
    """A system call failed."""
    outcome, code, detail = describe_error(error)
    return result(body, outcome, code=code, detail=detail)


def describe_error(error: OSError) -> tuple[Outcome, str, str]:
    """(outcome, code, sentence) for an error of a system call."""
    if isinstance(error, PermissionError):
        missing = "the agent lacks the capability for this (signals: CAP_KILL, priorities: CAP_SYS_NICE)"
        return "not_permitted", "EPERM", missing
    return "failed", str(error.errno), str(error.strerror)
