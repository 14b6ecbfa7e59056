"""Carries out more than a signal to one process: on trees, cgroups and units; priorities; the freezer."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from tukur.agent.orders import priorities as adjust
from tukur.agent.orders.gate import RefusedError
from tukur.agent.orders.process_handle import ProcessHandle
from tukur.agent.orders.results import failed_words, failure, result
from tukur.agent.orders.scope import pids_in_scope, places
from tukur.agent.policy.policy import Policy
from tukur.agent.policy.subject import Subject, subject_of
from tukur.protocol.messages import MAX_MEMBERS, Action, Member, OrderBody, OrderResult, Outcome
from tukur.sources.proc import CLOCK_TICK_NS, read_stat

ROUNDS = 20
"""So often who is new in the set is looked for: what forks faster than this is told to be left."""


@dataclass(slots=True)
class _One:
    """One process of the set, held."""

    held: ProcessHandle
    start_ns: int
    subject: Subject
    outcome: Outcome | None = None
    """None: it was signalled, and is watched."""
    detail: str = ""


class GroupOrder:
    """One such order. The target is held by the caller, and was found to be the one that was meant."""

    def __init__(
        self, policy: Policy, body: OrderBody, action: Action, target: Subject, observe_s: float
    ) -> None:
        self._policy = policy
        self._body = body
        self._action = action
        self._target = target
        self._observe_s = observe_s
        self._all: dict[int, _One] = {}
        self._cgroup = _whole(target) if action.scope == "unit" else target.cgroup
        self._began = time.monotonic()

    async def carry_out(self) -> AsyncIterator[OrderResult]:
        """Yields what happens, the last with ``final``."""
        try:
            self._meant()
            if self._action.verb in ("freeze", "thaw"):
                yield await self._freeze(on=self._action.verb == "freeze")
                return
            await self._gather_and_act()
            if self._action.verb == "signal" and any(one.outcome is None for one in self._all.values()):
                yield OrderResult(order_id=self._body.order_id, outcome="delivered", final=False)
                await self._observe()
            yield self._summary()
        except RefusedError as error:
            yield result(self._body, "refused", code=error.code, detail=error.detail)
        except (OSError, ValueError) as error:
            yield _failed(self._body, error)
        finally:
            for one in self._all.values():
                one.held.close()

    def _meant(self) -> None:
        """Raises RefusedError where the set is not the one that was seen, or one that nothing may touch."""
        scope, of = self._action.scope, self._action.of
        now = {"cgroup": self._target.cgroup, "unit": self._target.unit}.get(scope)
        if now is None:
            if self._action.verb in ("freeze", "thaw"):
                raise RefusedError("bad_scope", "only a cgroup or a unit can be frozen or thawed")
            return
        if not now.strip("/"):
            raise RefusedError("no_such_set", f"PID {self._target.pid} is in no {scope} of its own")
        if now != of:
            raise RefusedError(
                "other_set", f"PID {self._target.pid} is in the {scope} {now!r} now, not {of!r}"
            )

    async def _gather_and_act(self) -> None:
        """Rounds, until nobody is new: what forks meanwhile does not get away."""
        fresh = await self._fresh()
        protected = any(self._policy.protected(one.subject) for one in fresh)
        freezer = self._freezer() if self._ends and not protected else None
        # Else who is stopped cannot fork, and what a parent has begun stays its child until both are ended.
        still = self._ends and freezer is None and self._action.scope != "process"
        try:
            if freezer is not None:
                # Who cannot run cannot fork: the set stands still while it is gone through.
                await adjust.freeze(freezer, on=True, seconds=1.0)
            for _ in range(ROUNDS if self._ends else 2):
                for one in fresh:
                    self._act(one, "STOP" if still else self._action.signal)
                if not fresh or self._action.scope == "process":
                    break
                fresh = await self._fresh()
            for one in self._all.values() if still else ():
                self._act(one, self._action.signal)
        finally:
            if freezer is not None:
                with contextlib.suppress(OSError):
                    await adjust.freeze(freezer, on=False, seconds=0)

    @property
    def _ends(self) -> bool:
        return self._action.verb == "signal" and self._action.signal == "KILL"

    def _freezer(self) -> Path | None:
        """Of the set, where it is a cgroup that the agent is not in."""
        if self._action.scope not in ("cgroup", "unit") or self._holds_us(self._cgroup):
            return None
        folder = adjust.freezer(self._cgroup)
        if folder is None or not os.access(folder / "cgroup.freeze", os.W_OK):
            return None
        # Whoever froze it before wants it frozen.
        return folder if (folder / "cgroup.freeze").read_text().strip() == "0" else None

    def _holds_us(self, cgroup: str) -> bool:
        own = read_stat(self._policy.own_pid)
        ours = subject_of(self._policy.own_pid, own).cgroup if own is not None else ""
        return ours == cgroup or ours.startswith(cgroup.rstrip("/") + "/")

    async def _fresh(self) -> list[_One]:
        """Who belongs to the set and was not met before, each held."""
        action = self._action
        known = await asyncio.to_thread(places)
        roots = [self._target.pid, *(pid for pid in self._all if action.scope == "tree")]
        pids = dict.fromkeys(
            pid for root in roots for pid in pids_in_scope(action.scope, root, action.of, known)
        )
        if action.scope in ("cgroup", "unit") and (1 in pids or self._policy.own_pid in pids):
            raise RefusedError("protected", f"PID 1 or tukur itself is in this {action.scope}")
        fresh = []
        for pid in pids:
            if pid in self._all:
                continue
            one = _hold(pid)
            if one is not None:
                self._all[pid] = one
                fresh.append(one)
        return fresh

    def _act(self, one: _One, signal: str) -> None:
        if one.outcome is not None:
            return
        code, detail = self._policy.refuses(one.subject, self._action.verb, self._action.signal)
        if code:
            one.outcome, one.detail = "refused", detail
            return
        try:
            if self._action.verb == "signal":
                one.held.send(signal)
            else:
                one.outcome = "changed" if self._adjust(one.held) else "alive"
        except ProcessLookupError:
            one.outcome = "gone"
        except FileNotFoundError:
            one.outcome = "gone"
        except OSError as error:
            one.outcome, _, one.detail = failed_words(error)

    def _adjust(self, held: ProcessHandle) -> bool:
        if not held.alive():
            raise ProcessLookupError
        if self._action.verb == "renice":
            done = adjust.renice(held.pid, adjust.parse_nice(self._action.value))
        else:
            done = adjust.io_priority(held.pid, adjust.parse_io_priority(self._action.value))
        # It lives still: so its PID was its own all the while.
        if not held.alive():
            raise ProcessLookupError
        return done

    async def _observe(self) -> None:
        signalled = [one for one in self._all.values() if one.outcome is None]
        watched = signalled[:MAX_MEMBERS]
        if self._action.signal in ("STOP", "CONT"):
            await self._observe_state(signalled)
            return
        left = max(self._observe_s - (time.monotonic() - self._began), 0.1)
        await asyncio.gather(*(one.held.exited(left) for one in watched))
        for one in signalled:
            one.outcome = "alive" if one.held.alive() else "exited"

    async def _observe_state(self, signalled: list[_One]) -> None:
        wanted: Outcome = "stopped" if self._action.signal == "STOP" else "running"
        until = time.monotonic() + self._observe_s
        while signalled and time.monotonic() < until:
            for one in signalled:
                stat = read_stat(one.held.pid)
                if stat is None or not one.held.alive():
                    one.outcome = "exited"
                elif (stat.state in "Tt") == (wanted == "stopped"):
                    one.outcome = wanted
            signalled = [one for one in signalled if one.outcome is None]
            await asyncio.sleep(0.002)
        for one in signalled:
            one.outcome = "alive"

    async def _freeze(self, *, on: bool) -> OrderResult:
        if self._cgroup.endswith("/init.scope") or self._holds_us(self._cgroup):
            raise RefusedError("protected", "PID 1 or tukur itself is in this cgroup")
        for one in await self._fresh():
            reason = self._policy.protected(one.subject)
            if reason:
                raise RefusedError("protected", f"PID {one.held.pid} is in it: {reason}")
        folder = adjust.freezer(self._cgroup)
        if folder is None:
            raise RefusedError("no_freezer", f"{self._cgroup!r} has no freezer (cgroup v2) on this host")
        done = await adjust.freeze(folder, on=on, seconds=self._observe_s)
        outcome: Outcome = ("frozen" if on else "thawed") if done else "alive"
        for one in self._all.values():
            one.outcome = outcome
        return self._summary(outcome)

    def _summary(self, outcome: Outcome | None = None) -> OrderResult:
        found = list(self._all.values())
        counts: dict[Outcome, int] = {}
        for one in found:
            counts[one.outcome or "alive"] = counts.get(one.outcome or "alive", 0) + 1
        reached = [name for name in counts if name not in ("refused", "gone")]
        worst: Outcome = next(
            (name for name in ("not_permitted", "failed", "alive") if name in counts),
            reached[0] if reached else "refused" if "refused" in counts else "gone",
        )
        detail = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items())
        freed = sum(one.subject.own_memory for one in found if one.outcome == "exited")
        return OrderResult(
            order_id=self._body.order_id,
            outcome=outcome or worst,
            final=True,
            code="protected" if worst == "refused" else "",
            detail=detail if len(found) != 1 else found[0].detail,
            after_ms=(time.monotonic() - self._began) * 1000,
            freed=freed if "exited" in counts else None,
            members=[
                Member(
                    pid=one.held.pid,
                    start_ns=one.start_ns,
                    name=one.subject.name,
                    outcome=one.outcome or "alive",
                    detail=one.detail,
                )
                for one in found[:MAX_MEMBERS]
            ],
            more=max(len(found) - MAX_MEMBERS, 0),
        )


def _whole(target: Subject) -> str:
    """The cgroup of the target's unit, which may have others below it."""
    before, found, _ = target.cgroup.partition(f"/{target.unit}/")
    return f"{before}/{target.unit}" if found else target.cgroup


def _hold(pid: int) -> _One | None:
    """The process that has this PID now; None: it ended."""
    try:
        held = ProcessHandle(pid)
    except ProcessLookupError:
        return None
    stat = read_stat(pid)
    if stat is None or stat.state in "ZX":
        held.close()
        return None
    return _One(held, stat.start_ticks * CLOCK_TICK_NS, subject_of(pid, stat))


def _failed(body: OrderBody, error: OSError | ValueError) -> OrderResult:
    if isinstance(error, OSError):
        return failure(body, error)
    return result(body, "refused", code="bad_order", detail=str(error))
