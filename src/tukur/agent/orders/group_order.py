"""Carries out orders to process trees, cgroups and units, and those that set priorities or freeze."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from tukur.agent.orders import priorities
from tukur.agent.orders.frozen import FrozenCgroups
from tukur.agent.orders.gate import RefusedError
from tukur.agent.orders.process_handle import ProcessHandle
from tukur.agent.orders.results import describe_error, ended_already, failure, result
from tukur.agent.orders.scope import pids_in_scope, places
from tukur.agent.policy.policy import Policy
from tukur.agent.policy.subject import Subject, subjects_of
from tukur.protocol.messages import MAX_MEMBERS, Action, Member, OrderBody, OrderResult, Outcome
from tukur.sources.proc import Stat, read_cgroup, read_stat
from tukur.sources.users import Users

ROUNDS = 20
"""How often new processes of the group are looked for: what forks faster than this is reported alive."""
STOP_S = 1.0
"""How long it is waited for a process to stop: one in an uninterruptible sleep does not."""


@dataclass(slots=True)
class _Process:
    """One process of the group, pinned by its pidfd."""

    handle: ProcessHandle
    start_ns: int
    subject: Subject
    outcome: Outcome | None = None
    """None: it was signalled, and is observed."""
    detail: str = ""

    def member(self) -> Member:
        """What became of it."""
        return Member(
            pid=self.handle.pid,
            start_ns=self.start_ns,
            name=self.subject.name,
            outcome=self.outcome or "alive",
            detail=self.detail,
        )


class GroupOrder:
    """One such order. The caller holds a pidfd of the target and has compared its start."""

    def __init__(
        self,
        policy: Policy,
        body: OrderBody,
        action: Action,
        target: Subject,
        observe_s: float,
        frozen: FrozenCgroups,
        users: Users,
    ) -> None:
        self._policy = policy
        self._users = users if policy.names_users else None
        self._frozen = frozen
        self._body = body
        self._action = action
        self._target = target
        self._observe_s = observe_s
        self._processes: dict[int, _Process] = {}
        self._zombies: dict[int, Member] = {}
        """Those of the group that had ended when they were found."""
        self._cgroup = _unit_cgroup(target) if action.scope == "unit" else target.cgroup
        self._started_at = time.monotonic()
        self._cut_short: RefusedError | None = None
        """Why no more processes were looked for after some had been acted on."""

    async def carry_out(self) -> AsyncIterator[OrderResult]:
        """Carries out the order; yields its results, the last one ``final``."""
        try:
            self._check_scope()
            if self._action.verb in ("freeze", "thaw"):
                yield await self._freeze(on=self._action.verb == "freeze")
                return
            await self._gather_and_act()
            if self._action.verb == "signal" and any(one.outcome is None for one in self._processes.values()):
                yield OrderResult(order_id=self._body.order_id, outcome="delivered", final=False)
                await self._observe()
            yield self._summary()
        except RefusedError as error:
            yield result(self._body, "refused", code=error.code, detail=error.detail)
        except (OSError, ValueError) as error:
            yield _failure(self._body, error)
        finally:
            for one in self._processes.values():
                one.handle.close()

    def _check_scope(self) -> None:
        """Raises RefusedError where the group is no longer the one that was shown, or cannot be acted on."""
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
        """Acts in rounds until no process is new, so that what forks meanwhile does not escape."""
        new = await self._find_new()
        protected = any(self._policy.protected(one.subject) for one in new)
        freezer = self._freezer() if self._is_kill and not protected else None
        if freezer is None:
            await self._act_in_rounds(new)
            return
        # Frozen processes cannot fork while they are signalled.
        async with self._frozen.frozen(freezer):
            await self._act_in_rounds(new, frozen=True)

    async def _act_in_rounds(self, new: list[_Process], *, frozen: bool = False) -> None:
        # Without a freezer each is stopped first: it cannot fork, and it stays the parent of its children.
        stop_first = self._is_kill and not frozen and self._action.scope != "process"
        for _ in range(ROUNDS if self._is_kill else 2):
            for one in new:
                self._act(one, "STOP" if stop_first else self._action.signal)
            if stop_first:
                await self._wait_until_stopped(new)
            if not new or self._action.scope == "process":
                break
            try:
                new = await self._find_new()
            except RefusedError as error:
                # What was done is done, and is reported; those that were stopped for it are not left so.
                self._cut_short = error
                break
        for one in self._processes.values() if stop_first else ():
            self._act(one, self._action.signal)

    async def _wait_until_stopped(self, processes: list[_Process]) -> None:
        """Until then one that was in the middle of a fork can still finish it."""
        until = time.monotonic() + STOP_S
        while time.monotonic() < until:
            if all(one.outcome is not None or one.handle.stopped() for one in processes):
                return
            await asyncio.sleep(0.001)

    @property
    def _is_kill(self) -> bool:
        return self._action.verb == "signal" and self._action.signal == "KILL"

    def _freezer(self) -> Path | None:
        """The freezer of the group, where it is a cgroup that the agent is not in."""
        if self._action.scope not in ("cgroup", "unit") or self._contains_agent(self._cgroup):
            return None
        folder = priorities.freezer(self._cgroup)
        if folder is None or not os.access(folder / "cgroup.freeze", os.W_OK):
            return None
        # One that was frozen before stays frozen.
        return folder if (folder / "cgroup.freeze").read_text().strip() == "0" else None

    def _contains_agent(self, cgroup: str) -> bool:
        ours = read_cgroup(self._policy.own_pid)
        return ours == cgroup or ours.startswith(cgroup.rstrip("/") + "/")

    async def _find_new(self) -> list[_Process]:
        """The living processes of the group that were not found before, each pinned by its pidfd."""
        action = self._action
        known = await asyncio.to_thread(places)
        roots = [self._target.pid, *(pid for pid in self._processes if action.scope == "tree")]
        pids = dict.fromkeys(
            pid for root in roots for pid in pids_in_scope(action.scope, root, action.of, known)
        )
        if action.scope in ("cgroup", "unit") and (1 in pids or self._policy.own_pid in pids):
            raise RefusedError("protected", f"PID 1 or tukur itself is in this {action.scope}")
        opened = []
        for pid in pids:
            found = None if pid in self._processes else _open(pid)
            if isinstance(found, Member):
                self._zombies[pid] = found
            elif found is not None:
                self._zombies.pop(pid, None)
                opened.append(found)
        stats = [(handle.pid, stat) for handle, stat in opened]
        try:
            subjects = await asyncio.to_thread(subjects_of, stats, self._users)
        except BaseException:
            for handle, _ in opened:
                handle.close()
            raise
        new = [
            _Process(handle, stat.start_ns, subject)
            for (handle, stat), subject in zip(opened, subjects, strict=True)
        ]
        self._processes |= {one.handle.pid: one for one in new}
        return new

    def _act(self, one: _Process, signal: str) -> None:
        if one.outcome is not None:
            return
        code, detail = self._policy.refuses(one.subject, self._action.verb, self._action.signal)
        if code:
            one.outcome, one.detail = "refused", detail
            return
        try:
            if self._action.verb == "signal":
                one.handle.send(signal)
            else:
                one.outcome = "changed" if self._set_priority(one.handle) else "alive"
        except ProcessLookupError:
            one.outcome = "gone"
        except FileNotFoundError:
            one.outcome = "gone"
        except OSError as error:
            one.outcome, _, one.detail = describe_error(error)

    def _set_priority(self, handle: ProcessHandle) -> bool:
        if not handle.alive():
            raise ProcessLookupError
        if self._action.verb == "renice":
            done = priorities.renice(handle.pid, priorities.parse_nice(self._action.value))
        else:
            done = priorities.io_priority(handle.pid, priorities.parse_io_priority(self._action.value))
        # It is still alive, so its PID was not reused meanwhile.
        if not handle.alive():
            raise ProcessLookupError
        return done

    async def _observe(self) -> None:
        signalled = [one for one in self._processes.values() if one.outcome is None]
        watched = signalled[:MAX_MEMBERS]
        if self._action.signal in ("STOP", "CONT"):
            await self._observe_state(signalled)
            return
        left_s = max(self._observe_s - (time.monotonic() - self._started_at), 0.1)
        await asyncio.gather(*(one.handle.exited(left_s) for one in watched))
        for one in signalled:
            one.outcome = "alive" if one.handle.alive() else "exited"

    async def _observe_state(self, signalled: list[_Process]) -> None:
        wanted: Outcome = "stopped" if self._action.signal == "STOP" else "running"
        until = time.monotonic() + self._observe_s
        while signalled and time.monotonic() < until:
            for one in signalled:
                stat = read_stat(one.handle.pid)
                if stat is None or not one.handle.alive():
                    one.outcome = "exited"
                elif (stat.state in "Tt") == (wanted == "stopped"):
                    one.outcome = wanted
            signalled = [one for one in signalled if one.outcome is None]
            await asyncio.sleep(0.002)
        for one in signalled:
            one.outcome = "alive"

    async def _freeze(self, *, on: bool) -> OrderResult:
        if self._cgroup.endswith("/init.scope") or self._contains_agent(self._cgroup):
            raise RefusedError("protected", "PID 1 or tukur itself is in this cgroup")
        for one in await self._find_new():
            reason = self._policy.protected(one.subject)
            if reason:
                raise RefusedError("protected", f"PID {one.handle.pid} is in it: {reason}")
        folder = priorities.freezer(self._cgroup)
        if folder is None:
            raise RefusedError("no_freezer", f"{self._cgroup!r} has no freezer (cgroup v2) on this host")
        done = await priorities.freeze(folder, on=on, seconds=self._observe_s)
        outcome: Outcome = ("frozen" if on else "thawed") if done else "alive"
        for one in self._processes.values():
            one.outcome = outcome
        return self._summary(outcome)

    def _summary(self, outcome: Outcome | None = None) -> OrderResult:
        found = list(self._processes.values())
        counts: dict[Outcome, int] = {}
        members = [*(one.member() for one in found), *self._zombies.values()]
        for each in members:
            counts[each.outcome] = counts.get(each.outcome, 0) + 1
        reached = [name for name in counts if name not in ("refused", "gone")]
        worst: Outcome = next(
            (name for name in ("not_permitted", "failed", "alive") if name in counts),
            reached[0] if reached else "refused" if "refused" in counts else "gone",
        )
        detail = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items())
        if len(members) == 1:
            detail = members[0].detail
        if self._cut_short is not None:
            detail = "; ".join(filter(None, (detail, f"then no more: {self._cut_short.detail}")))
        freed = sum(one.subject.own_memory for one in found if one.outcome == "exited")
        return OrderResult(
            order_id=self._body.order_id,
            outcome=outcome or worst,
            final=True,
            code=self._code(worst),
            detail=detail,
            after_ms=(time.monotonic() - self._started_at) * 1000,
            freed=freed if "exited" in counts else None,
            members=members[:MAX_MEMBERS],
            more=max(len(members) - MAX_MEMBERS, 0),
        )

    def _code(self, worst: Outcome) -> str:
        if self._cut_short:
            return self._cut_short.code
        if worst == "gone" and self._zombies:
            return "zombie"
        return "protected" if worst == "refused" else ""


def _unit_cgroup(target: Subject) -> str:
    """The cgroup of the target's unit, which may have child cgroups."""
    before, found, _ = target.cgroup.partition(f"/{target.unit}/")
    return f"{before}/{target.unit}" if found else target.cgroup


def _open(pid: int) -> tuple[ProcessHandle, Stat] | Member | None:
    """The process with this PID; what is told of it where it is a zombie; None: there is none."""
    try:
        handle = ProcessHandle(pid)
    except ProcessLookupError:
        return None
    stat = read_stat(pid)
    if stat is None or stat.ended:
        handle.close()
        return None if stat is None else _zombie(pid, stat)
    return handle, stat


def _zombie(pid: int, stat: Stat) -> Member:
    detail = ended_already(stat)
    return Member(pid=pid, start_ns=stat.start_ns, name=stat.name, outcome="gone", detail=detail)


def _failure(body: OrderBody, error: OSError | ValueError) -> OrderResult:
    if isinstance(error, OSError):
        return failure(body, error)
    return result(body, "refused", code="bad_order", detail=str(error))
