"""What this host lets the hub do. It is decided on the host: the hub can read it, never loosen it."""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Protocol

from tukur.agent.policy.protected_programs import PROTECTED_PROGRAMS
from tukur.agent.policy.subject import Subject
from tukur.records import KTHREAD

SIGNALS = ("TERM", "KILL", "STOP", "CONT", "INT", "HUP")
"""Every signal that tukur can send."""
ACTIONS = ("renice", "ionice", "freeze")
"""What else it can do to a process; ``freeze`` is thaw as well."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Selects processes by patterns (fnmatch); an empty list is not considered."""

    users: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    """Of the executable, or of the process (comm) where that is not known."""

    @property
    def empty(self) -> bool:
        """Whether it has no patterns."""
        return not (self.users or self.units or self.names)

    def matches_all(self, subject: Subject) -> bool:
        """Whether the process matches every list that is not empty; both its users have to match."""
        return (
            (
                not self.users
                or (bool(subject.users) and all(_matches(user, self.users) for user in subject.users))
            )
            and (not self.units or _matches(subject.unit, self.units))
            and (not self.names or _matches(subject.program or subject.name, self.names))
        )

    def first_match(self, subject: Subject) -> str:
        """What of the process matches any of the lists, such as ``user root``; empty: nothing does."""
        for word in (*sorted(subject.users),):
            if _matches(word, self.users):
                return f"user {word}"
        if subject.unit and _matches(subject.unit, self.units):
            return f"unit {subject.unit}"
        for word in (subject.program, subject.name):
            if word and _matches(word, self.names):
                return f"name {word}"
        return ""


def _matches(word: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(word, pattern) for pattern in patterns)


@dataclass(frozen=True, slots=True)
class Policy:
    """Which orders may be carried out, and on which processes."""

    signals: tuple[str, ...] = ()
    """Names without SIG; none, and no actions: this host is monitor-only."""
    actions: tuple[str, ...] = ()
    """Some of :data:`ACTIONS`."""
    allow: Selection = Selection()
    """The only processes that may be acted on; empty: all that nothing protects."""
    protect: Selection = Selection()
    """Processes that may never be acted on."""
    unprotect: tuple[str, ...] = ()
    """Patterns of protected programs that may be acted on all the same."""
    own_pid: int = 0
    """The agent's."""
    own_unit: str = ""
    """The unit that the agent runs in; empty: none."""
    supervisor: int = 0
    """PID of ``tukur up``, where that runs agent and hub; else 0."""
    problem: str = ""
    """Why the policy file is not valid; then nothing is allowed."""

    def current(self) -> "Policy":
        """This policy: it never changes."""
        return self

    @property
    def monitor_only(self) -> bool:
        """Whether nothing is allowed at all."""
        return not (self.signals or self.actions)

    @property
    def names_users(self) -> bool:
        """Whether it says anything of users, so that their names have to be known."""
        return bool(self.protect.users or self.allow.users)

    def protected(self, subject: Subject) -> str:
        """Why no order may act on this process; empty: one may."""
        pid, ppid = subject.pid, subject.ppid
        if pid == 1:
            return "PID 1 runs the machine"
        if subject.flags & KTHREAD:
            return "a kernel thread cannot be stopped"
        ours = pid == self.own_pid or (self.supervisor and self.supervisor in (pid, ppid))
        if ours or (self.own_unit and subject.unit == self.own_unit):
            return "it is part of tukur itself"
        word = self.protect.first_match(subject)
        reason = f"this host's policy protects {word}" if word else ""
        reason = reason or self._protected_program(subject.program or subject.name)
        if not reason and self.names_users and subject.unknown_users:
            who = ", ".join(sorted(subject.unknown_users))
            reason = f"this host's policy names users, and the name of {who} could not be found out in time"
        if reason or self.allow.matches_all(subject):
            return reason
        return "it is not among those that this host's policy allows"

    def _protected_program(self, program: str) -> str:
        # By the executable: the name that a process gives itself protects nothing.
        for reason, patterns in PROTECTED_PROGRAMS:
            if _matches(program, patterns) and not _matches(program, self.unprotect):
                return f"{program} is protected: {reason}"
        return ""

    def forbids(self, verb: str, signal: str = "") -> tuple[str, str]:
        """(code, sentence) where this host allows it for no process, else two empty strings."""
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
        """(code, sentence) of the refusal, or two empty strings where it is allowed."""
        forbidden = self.forbids(verb, signal)
        if forbidden[0]:
            return forbidden
        reason = self.protected(subject)
        return ("protected", reason) if reason else ("", "")


class PolicySource(Protocol):
    """Gives the current policy."""

    def current(self) -> Policy:
        """The policy as it is now. Never raises."""
