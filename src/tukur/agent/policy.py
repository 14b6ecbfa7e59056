"""What this host lets the hub do. The host's own word: the hub can read it, never loosen it."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from tukur.records import KTHREAD

SIGNALS = ("TERM", "KILL", "STOP", "CONT", "INT", "HUP")
"""Every signal that tukur ever sends."""


class PolicyError(Exception):
    """The policy file is not as it must be. The text says what was found and what was expected."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Which signals may be sent, and to whom."""

    signals: tuple[str, ...] = ()
    """Names without SIG; none: this host is monitor-only."""
    own_pid: int = 0
    """The agent's."""
    supervisor: int = 0
    """What runs agent and hub, where that is ``tukur up``; 0: nothing of ours."""

    def protected(self, pid: int, ppid: int, flags: int) -> str:
        """Why no signal at all may reach this process; empty: one may."""
        if pid == 1:
            return "PID 1 runs the machine"
        if flags & KTHREAD:
            return "a kernel thread cannot be stopped"
        if pid == self.own_pid or (self.supervisor and self.supervisor in (pid, ppid)):
            return "it is part of tukur itself"
        return ""

    def refuses(self, pid: int, ppid: int, flags: int, signal: str) -> tuple[str, str]:
        """(code, sentence) of the refusal, or two empty texts where the signal is allowed."""
        if not self.signals:
            return "monitor_only", "this host is monitor-only by its own policy"
        if signal not in self.signals:
            allowed = ", ".join(self.signals)
            return "signal_forbidden", f"this host's policy allows {allowed}; {signal} was asked for"
        reason = self.protected(pid, ppid, flags)
        return ("protected", reason) if reason else ("", "")


def load_signals(path: Path) -> tuple[str, ...]:
    """The signals that a policy file allows. Raises PolicyError.

    The file is TOML with one key, ``signals``: a list of names. A file that is not there allows none.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PolicyError(f"{path}: {error}") from error
    unknown = sorted(set(content) - {"signals"})
    if unknown:
        raise PolicyError(f"{path}: unknown key {unknown[0]!r}; known: signals")
    signals = content.get("signals", [])
    if not isinstance(signals, list) or not all(name in SIGNALS for name in signals):
        raise PolicyError(f"{path}: signals = {signals!r}; a list of some of {', '.join(SIGNALS)} expected")
    return tuple(signals)
