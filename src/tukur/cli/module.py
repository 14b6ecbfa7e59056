"""``tukur module``: builds, loads, shows and removes the kernel modules."""

import argparse
import grp
import os
import sys

import msgspec

from tukur import __version__
from tukur.cli import module_steps
from tukur.cli.errors import CommandError, Exit
from tukur.cli.module_steps import Parameters, StepError
from tukur.sources.module import kmod_messages
from tukur.sources.module.kmod import MODULES, Loaded, MachineState, machine_state, openers, source_folder


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    install = actions.add_parser("install", help="build and load them, now and at each start")
    install.add_argument("--proc-name-ram", metavar="NAME", help="the file under /proc (default: tukur_ram)")
    install.add_argument("--proc-name-cpu", metavar="NAME", help="the file under /proc (default: tukur_cpu)")
    install.add_argument(
        "--access",
        choices=("0", "1", "2"),
        help="who sees what: 0 everyone sees all, 1 everyone their own, 2 only root and --gid (default)",
    )
    install.add_argument("--gid", metavar="GROUP", help="name or number of the group that sees all")
    install.add_argument(
        "--events-kib", type=int, metavar="KIB", help="room for events: a power of two (default: 4096)"
    )
    install.add_argument(
        "--no-dkms", action="store_true", help="for the running kernel only, even if DKMS is installed"
    )
    status = actions.add_parser("status", help="what is loaded, installed and possible here")
    status.add_argument("--json", action="store_true", help="for a program")
    actions.add_parser("remove", help="unload them and remove their files")


def run(options: argparse.Namespace) -> int:
    """Installs, shows or removes."""
    state = machine_state()
    if options.action == "status":
        return _status(state, as_json=options.json)
    if options.action == "remove":
        return _remove(state)
    return _install(state, options)


def parameters_of(options: argparse.Namespace) -> Parameters:
    """The modules' parameters of the command line's options. Raises CommandError for a wrong one."""
    both = {}
    if options.access is not None:
        both["access"] = options.access
    if options.gid is not None:
        both["gid"] = str(_group(options.gid))
    parameters = Parameters(dict(both), dict(both))
    for name, parameter in ((options.proc_name_ram, parameters.ram), (options.proc_name_cpu, parameters.cpu)):
        if name is not None:
            parameter["proc_name"] = _proc_name(name)
    if options.events_kib is not None:
        kib = options.events_kib
        if not 8 <= kib <= 1 << 20 or kib & (kib - 1):
            raise CommandError(Exit.USAGE, f"--events-kib {kib}; a power of two from 8 to 1048576 expected")
        parameters.cpu["events_kib"] = str(kib)
    return parameters


def _group(text: str) -> int:
    if text.isdecimal() and int(text) < 1 << 31:
        return int(text)
    try:
        return grp.getgrnam(text).gr_gid
    except KeyError:
        raise CommandError(Exit.USAGE, f"--gid {text}: there is no such group") from None


def _proc_name(name: str) -> str:
    letters = name.replace("_", "").replace(".", "").replace("-", "")
    if not (letters.isascii() and letters.isalnum() and name[0].isalpha() and len(name) < 64):
        raise CommandError(
            Exit.USAGE,
            f"{name!r} is not a valid name of a file under /proc: letters, digits, '_', '.', '-' expected, "
            "63 at most, a letter first",
        )
    return name


def _install(state: MachineState, options: argparse.Namespace) -> int:
    parameters = parameters_of(options)
    sources = source_folder()
    found = kmod_messages.obstacles(state, root=os.geteuid() == 0, sources_there=sources is not None)
    if found or sources is None:
        raise _failure("\n  ".join(found))
    by_dkms = bool(state.dkms) and not options.no_dkms
    print(f"building for {state.release}{', with DKMS' if by_dkms else ''}", flush=True)
    try:
        (module_steps.install_by_dkms if by_dkms else module_steps.install_plainly)(state, sources)
        module_steps.unload([module.name for module in state.loaded])
    except StepError as error:
        # What was there before stays: at work, and at the next start.
        raise _failure(str(error)) from error
    try:
        module_steps.write_settings(parameters)
        module_steps.load(state, by_dkms=by_dkms)
    except StepError as error:
        # Nothing half done: the next start of the machine tries nothing that would fail again.
        module_steps.remove_all(machine_state())
        raise _failure(str(error)) from error
    for module in machine_state().loaded:
        print(_loaded_line(module))
    lasts = "DKMS builds them again for each new kernel" if by_dkms else "installed for this kernel only"
    print(f"loaded at each start; {lasts}")
    print("restart a running agent to use them")
    return 0


def _remove(state: MachineState) -> int:
    if os.geteuid():
        raise CommandError(Exit.MODULE, "not root: unloading and removing need it (sudo tukur module remove)")
    for holder in openers([file for module in state.loaded for file in module.files]):
        print(
            f"{holder.name} (PID {holder.pid}) has {', '.join(holder.files)} open: an agent switches to "
            "another source, any other program gets an input/output error"
        )
    try:
        module_steps.unload([module.name for module in state.loaded])
        removed = module_steps.remove_all(state)
    except StepError as error:
        raise CommandError(Exit.MODULE, str(error)) from error
    except OSError as error:
        raise CommandError(Exit.MODULE, f"{error.filename} cannot be removed: {error.strerror}") from error
    for module in state.loaded:
        print(f"unloaded {module.name}")
    for what in removed:
        print(f"removed {what}")
    if not state.loaded and not removed:
        print("nothing was installed")
    return 0


def _failure(text: str) -> CommandError:
    # Asked only now: it loads eBPF programs to see whether they work.
    source, reasons = _agents_source()
    why = f" (eBPF does not work here: {reasons['bpf']})" if source == "procfs" and "bpf" in reasons else ""
    return CommandError(Exit.MODULE, f"{text}\n{kmod_messages.fallback(source)}{why}")


def _agents_source() -> tuple[str, dict[str, str]]:
    """What the agent would choose, empty: nothing works; and why the others do not."""
    from tukur.sources.registry import availability

    found = availability()
    reasons = {source.name: source.reason for source in found if source.reason}
    return next((source.name for source in found if not source.reason), ""), reasons


def _status(state: MachineState, *, as_json: bool) -> int:
    source, reasons = _agents_source()
    found = kmod_messages.obstacles(state, root=os.geteuid() == 0, sources_there=source_folder() is not None)
    if as_json:
        content = {
            "version": __version__,
            "machine": state,
            "obstacles": found,
            "agent_source": source,
            "other_sources": reasons,
        }
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(content)).decode() + "\n")
        return 0
    for line in status_lines(state, found, source):
        print(line)
    return 0


def status_lines(state: MachineState, obstacles: list[str], source: str) -> list[str]:
    """What a person wants to know, a line each."""
    lines = [f"kernel {state.release}"]
    loaded = {module.name: module for module in state.loaded}
    lines += [_loaded_line(loaded[name]) if name in loaded else f"{name}: not loaded" for name in MODULES]
    lines.append(f"installed for: {', '.join(state.installed_for) or 'no kernel'}")
    entries = [
        f"{entry.version} {entry.release} {entry.state}".replace("  ", " ") for entry in state.dkms_entries
    ]
    lines.append(f"DKMS: {', '.join(entries) or ('nothing of tukur' if state.dkms else 'not installed')}")
    lines.append(f"headers: {state.headers or 'none of this kernel'}")
    lines.append(f"signatures: {_signatures(state)}")
    lines += [f"obstacle to installing: {obstacle}" for obstacle in obstacles]
    lines.append(f"the agent would choose: {source or 'no source, none works'}")
    return lines


def _loaded_line(module: Loaded) -> str:
    parameters = "".join(f" {key}={value}" for key, value in module.parameters.items())
    version = f" {module.version}" if module.version else ""
    return f"{module.name}{version}: loaded, {' '.join(module.files)};{parameters}"


def _signatures(state: MachineState) -> str:
    words = {True: "on", False: "off", None: "unknown"}
    needed = state.signature_needed
    return (
        f"{'needed (' + needed + ')' if needed else 'not needed'}; Secure Boot {words[state.secure_boot]}, "
        f"lockdown {state.lockdown or 'unknown'}, module.sig_enforce {words[state.sig_enforce]}"
    )
