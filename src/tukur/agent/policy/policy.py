"""What this host lets the hub do. The host's own word: the hub can read it, never loosen it."""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Protocol

from tukur.agent.policy.protected_programs import PROTECTED_PROGRAMS
from tukur.agent.policy.subject import Subject
from tukur.records import KTHREAD

SIGNALS = ("TERM", "KILL", "STOP", "CONT", "INT", "HUP")
"""Every signal that tukur ever sends."""
ACTIONS = ("renice", "ionice", "freeze")
"""What else it can do to a process; ``freeze`` is thaw as well."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Processes by patterns (fnmatch); an empty list selects by nothing."""

    users: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    """Of the program's file, or of the process where that is not known."""

    @property
    def empty(self) -> bool:
        """Whether it says nothing."""
        return not (self.users or self.units or self.names)

    def takes(self, subject: Subject) -> bool:
        """Whether the process fits every list that is there; both of its users have to."""
        return (
            (
                not self.users
                or (bool(subject.users) and all(_fits(user, self.users) for user in subject.users))
            )
            and (not self.units or _fits(subject.unit, self.units))
            and (not self.names or _fits(subject.program or subject.name, self.names))
        )

    def touches(self, subject: Subject) -> str:
        """By which word the process fits any of the lists; empty: by none."""
        for word in (*sorted(subject.users),):
            if _fits(word, self.users):
                return f"user {word}"
        if subject.unit and _fits(subject.unit, self.units):
            return f"unit {subject.unit}"
        for word in (subject.program, subject.name):
            if word and _fits(word, self.names):
                return f"name {word}"
        return ""


def _fits(word: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(word, pattern) for pattern in patterns)


@dataclass(frozen=True, slots=True)
class Policy:
    """Which orders may be carried out, and on whom."""

    signals: tuple[str, ...] = ()
    """Names without SIG; none, and no actions: this host is monitor-only."""
    actions: tuple[str, ...] = ()
    """Some of :data:`ACTIONS`."""
    allow: Selection = Selection()
    """Who alone may be reached; empty: everybody that nothing protects."""
    protect: Selection = Selection()
    """Who may not, whatever else is said."""
    unprotect: tuple[str, ...] = ()
    """Patterns of the dangerous programs' that may be reached all the same."""
    own_pid: int = 0
    """The agent's."""
    own_unit: str = ""
    """The unit that the agent runs in; empty: none."""
    supervisor: int = 0
    """What runs agent and hub, where that is ``tukur up``; 0: nothing of ours."""
    problem: str = ""
    """Why the host's file does not hold; then nothing is allowed."""

    def current(self) -> "Policy":
        """The policy of now: this one."""
        return self

    @property
    def monitor_only(self) -> bool:
        """Whether nothing is allowed at all."""
        return not (self.signals or self.actions)

    def protected(self, subject: Subject) -> str:
        """Why no order at all may reach this process; empty: one may."""
        pid, ppid = subject.pid, subject.ppid
        if pid == 1:
            return "PID 1 runs the machine"
        if subject.flags & KTHREAD:
            return "a kernel thread cannot be stopped"
        ours = pid == self.own_pid or (self.supervisor and self.supervisor in (pid, ppid))
        if ours or (self.own_unit and subject.unit == self.own_unit):
            return "it is part of tukur itself"
        word = self.protect.touches(subject)
        reason = f"this host's policy protects {word}" if word else ""
        reason = reason or self._dangerous(subject.program or subject.name)
        if reason or self.allow.takes(subject):
            return reason
        return "it is not among those that this host's policy allows"

    def _dangerous(self, program: str) -> str:
        # By the file that runs: what a process calls itself shields nobody.
        for reason, patterns in PROTECTED_PROGRAMS:
            if _fits(program, patterns) and not _fits(program, self.unprotect):
                return f"{program} is protected: {reason}"
        return ""

    def forbids(self, verb: str, signal: str = "") -> tuple[str, str]:
        """(code, sentence) where this is done to nobody here, or two empty texts."""
        if self.problem:
            return "policy_broken", f"this host's policy cannot be used: {self.problem}"
        if self.monitor_only:
            return "monitor_only", "this host is monitor-only by its own policy"
        if verb == "signal":
            if signal in self.signals:
                return "", ""
            allowed = ", ".join(self.signals) or "no signal"
            return "signal_forbidden", f"this host's policy allows {allowed}; {signal} was asked for"
        if verb in self.actions or (verb == "thaw" and "freeze" in self.actions):
            return "", ""
        return "action_forbidden", f"this host's policy does not allow to {verb}"

    def refuses(self, subject: Subject, verb: str, signal: str = "") -> tuple[str, str]:
        """(code, sentence) of the refusal, or two empty texts where it is allowed."""
        forbidden = self.forbids(verb, signal)
        if forbidden[0]:
            return forbidden
        reason = self.protected(subject)
        return ("protected", reason) if reason else ("", "")


class PolicySource(Protocol):
    """Where the policy of now is had from."""

    def current(self) -> Policy:
        """What holds at this instant. Never raises."""
