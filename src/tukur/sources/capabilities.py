"""Linux capabilities of this program, by their numbers in linux/capability.h."""

from pathlib import Path

NUMBERS = {
    "CAP_DAC_READ_SEARCH": 2,
    "CAP_KILL": 5,
    "CAP_SYS_MODULE": 16,
    "CAP_SYS_PTRACE": 19,
    "CAP_SYSLOG": 34,
    "CAP_PERFMON": 38,
    "CAP_BPF": 39,
}


def parse_effective(status: str) -> frozenset[str]:
    """The effective ones among NUMBERS, of a /proc/PID/status. Raises ValueError without a CapEff line."""
    for line in status.splitlines():
        key, _, value = line.partition(":")
        if key == "CapEff":
            mask = int(value, 16)
            return frozenset(name for name, number in NUMBERS.items() if mask >> number & 1)
    raise ValueError("no CapEff line in /proc/PID/status")


def effective() -> frozenset[str]:
    """What this program may do now."""
    return parse_effective(Path("/proc/self/status").read_text(errors="replace"))
