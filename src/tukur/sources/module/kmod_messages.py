"""Messages about kernel modules that cannot be built, loaded or unloaded, with what to do. Pure."""

import re

from tukur.sources.module.kmod import MachineState

_LOG_REASONS = (
    (r"Lockdown: .*unsigned module", "unsigned"),
    (r"Loading of .* is rejected", "unsigned"),
    (r"version magic '(?P<found>[^']*)' should be '(?P<expected>[^']*)'", "vermagic"),
    (r"(?P<what>expected .*|tukur_\w+: .*exists already)", "parameter"),
)
"""What the kernel's log says of a refusal, the most specific first."""
_SAID_REASONS = (
    # As strerror(3) and, for four of them, kmod put it.
    ("Key was rejected by service", "unsigned"),
    ("Required key not available", "unsigned"),
    ("Operation not permitted", "forbidden"),
    ("Invalid module format", "vermagic"),
    ("Exec format error", "vermagic"),
    ("Unknown symbol in module", "symbol"),
    ("Module has wrong symbol version", "vermagic"),
    ("disagrees about version", "vermagic"),
    ("not found in directory", "missing"),
    ("Function not implemented", "no modules"),
)
NO_MODULES = "this kernel loads no modules: it was built without CONFIG_MODULES (there is no /proc/modules)"
_FALLBACK = {
    "module": "The loaded modules stay in use.",
    "bpf": (
        "tukur uses eBPF instead, without any loss: it reports the same processes, lives and figures. "
        "Only the files /proc/tukur_ram and /proc/tukur_cpu are missing."
    ),
    "procfs": (
        "tukur uses plain /proc instead: every process is seen each second; of shorter lives only the CPU "
        "time is seen, as their parent's. Only the files /proc/tukur_ram and /proc/tukur_cpu are missing."
    ),
    "": "No other source works here either: see `tukur doctor`.",
}


def fallback(source: str) -> str:
    """What the agent does without the modules; `source`: the name of the best that works, or empty."""
    return _FALLBACK[source]


def obstacles(state: MachineState, *, root: bool, sources_there: bool) -> list[str]:
    """What stands in the way of building and loading, the most fundamental first; empty: nothing known."""
    found = []
    if not state.has_modules:
        # Then nothing else matters.
        return [NO_MODULES]
    if not root:
        found.append("not root: building for the kernel and loading need it (sudo tukur module install)")
    elif not state.may_load:
        found.append(
            "this root may not load modules (no CAP_SYS_MODULE), as in a container: run it on the host"
        )
    if state.loading_disabled:
        found.append("loading is off until the machine starts again (sysctl kernel.modules_disabled is 1)")
    if not state.headers:
        remedy = state.headers_remedy or f"install those of {state.release}"
        found.append(
            f"no headers of the kernel {state.release} in /lib/modules/{state.release}/build: {remedy}"
        )
    elif state.headers_release not in ("", state.release):
        found.append(f"the headers are of kernel {state.headers_release}; {state.release} is running")
    if state.missing_tools:
        tools = " and ".join(state.missing_tools)
        found.append(f"no {tools} to build with: {state.tools_remedy or f'install {tools}'}")
    if not sources_there:
        found.append("this installation has no native/module: install the wheel, or run it in a checkout")
    return found


def refusal(said: str, log: list[str], state: MachineState, *, by_dkms: bool) -> str:
    """One line on why the kernel refused a module, and the remedy.

    `said`: what modprobe, insmod or dkms wrote; `log`: what the kernel wrote meanwhile.
    """
    kind, details = _kind(said, log)
    if kind == "forbidden":
        kind = "unsigned" if state.signature_needed else "forbidden"
    if kind == "unsigned":
        return _unsigned(state, by_dkms=by_dkms)
    if kind == "vermagic":
        detail = f" ({details['found'].strip()}; {details['expected'].strip()} expected)" if details else ""
        remedy = state.headers_remedy or "install the headers of the running kernel"
        return (
            f"the module was built for another kernel than {state.release}{detail}: {remedy}, then try again"
        )
    if kind == "no modules":
        return NO_MODULES
    if kind == "parameter":
        return f"the module refused its parameters: {details['what']}"
    texts = {
        "forbidden": "the kernel refused it: this user may not load modules",
        "symbol": "the kernel lacks something that the module needs: " + _last(log, "Unknown symbol"),
        "missing": f"depmod has not recorded the module for {state.release}: run depmod -a, then try again",
    }
    return texts.get(kind) or f"the kernel refused it: {_tail(said)}" + (f" ({log[-1]})" if log else "")


def _kind(said: str, log: list[str]) -> tuple[str, dict[str, str]]:
    for pattern, kind in _LOG_REASONS:
        for line in log:
            if found := re.search(pattern, line):
                return kind, {**found.groupdict(), **({"what": line} if kind == "parameter" else {})}
    return next((kind for text, kind in _SAID_REASONS if text in said), ""), {}


def _unsigned(state: MachineState, *, by_dkms: bool) -> str:
    why = state.signature_needed or ("Secure Boot" if state.secure_boot else "its settings")
    text = f"this kernel takes signed modules only ({why}), and this one is not signed with a key it knows"
    if by_dkms:
        return (
            f"{text}: enrol the key that DKMS signs with (mokutil --import /var/lib/dkms/mok.pub, then start "
            "the machine again and confirm it), and try again"
        )
    return f"{text}: install dkms, which signs what it builds, and try again"


def unload_refusal(said: str, name: str, holders: list[str]) -> str:
    """One line on why a module stays."""
    if "in use" in said or "temporarily unavailable" in said:
        who = f" by {', '.join(holders)}" if holders else ""
        return f"{name} is busy: it is being read{who}; try again afterwards"
    if "not permitted" in said:
        return f"{name} cannot be unloaded: it takes root with CAP_SYS_MODULE"
    return f"{name} cannot be unloaded: {_tail(said)}"


def build_failure(output: str) -> str:
    """One line on why make failed: the first error in its output."""
    lines = [line.strip() for line in output.splitlines()]
    detail = next(
        (line for line in lines if re.search(r"\berror:|\bfatal error|No space left|Stop\.$", line)), ""
    )
    return f"the modules do not build: {detail or _tail(output)}"


def _tail(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it says nothing"


def _last(lines: list[str], word: str) -> str:
    return next((line for line in reversed(lines) if word in line), "see dmesg")
