"""``tukur config``: the settings of the daemons, where each came from, and whether they are valid."""

import argparse
import json
import os
import re
import sys
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from tukur.cli import hub_installed
from tukur.cli.errors import CommandError, Exit
from tukur.cli.options.data import default_data_dir
from tukur.cli.settings.files import read_file
from tukur.cli.settings.parser import add_settings, plain
from tukur.cli.settings.resolve import Found, resolve, variables
from tukur.cli.settings.secrets import Secret
from tukur.cli.settings.table import CONFIG, HUB, PROGRAMS, Group, Program, Setting


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's actions."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    show = actions.add_parser("show", help="each setting with its value, and where that came from")
    show.add_argument("daemon", choices=tuple(PROGRAMS), help="whose settings")
    show.add_argument("--json", action="store_true", help="for programs")
    add_settings(show, (), Group("settings file", (CONFIG,)))
    check = actions.add_parser("check", help="whether settings files and environment are valid")
    check.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help="the file (default: those in /etc/tukur)"
    )
    check.add_argument(
        "--daemon",
        choices=tuple(PROGRAMS),
        help="whose settings FILE contains (default: agent if its name begins with it, otherwise hub)",
    )


def run(options: argparse.Namespace) -> int:
    """Shows or checks."""
    if options.action == "show":
        return _show(settings_now(PROGRAMS[options.daemon], options.config), as_json=options.json)
    if options.file is None:
        return _check([(program, program.file) for program in PROGRAMS.values() if program.file.exists()])
    named = "agent" if options.file.name.startswith("agent") else "hub"
    return _check([(PROGRAMS[options.daemon or named], options.file)])


def settings_now(program: Program, config: Path | None) -> argparse.Namespace:
    """What a daemon without flags would find. Raises CommandError."""
    options = argparse.Namespace(settings=program.settings, programs=(program,))
    for setting in program.settings:
        setattr(options, setting.dest, None)
    options.config = None if config is None else str(config)
    return resolve(options)


def _show(options: argparse.Namespace, *, as_json: bool) -> int:
    rows = [(setting, options.found[setting.dest]) for setting in options.settings if setting.in_file]
    if as_json:
        print(json.dumps([_entry(setting, found) for setting, found in rows], indent=2))
        return 0
    wide = max(len(setting.name) for setting, _ in rows)
    values = [_text(setting, found) for setting, found in rows]
    middle = min(max(map(len, values)), 60)
    for (setting, found), value in zip(rows, values, strict=True):
        print(f"{setting.name:{wide}}  {value:{middle}}  {found.place}")
    return 0


def _entry(setting: Setting, found: Found) -> dict[str, object]:
    value = _text(setting, found) if setting.secret or isinstance(found.value, Path) else found.value
    return {
        "name": setting.name,
        "value": None if found.value is None else value,
        "source": found.source,
        "place": found.place,
    }


def _text(setting: Setting, found: Found) -> str:
    value = found.value
    if value is None and setting.name == "data":
        return str(default_data_dir())
    if value is None:
        return plain(setting.default_text) or "-"
    if isinstance(value, Secret):
        return "(hidden)"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(value) or "-"
    # A database's URL may contain the password; it may itself contain an @.
    return re.sub(r"(//[^:/]*):.*@", r"\1:***@", str(value)) if setting.secret else str(value) or "-"


def _check(files: list[tuple[Program, Path]]) -> int:
    problems = [
        *_misspelt_variables(),
        *(line for program, path in files for line in _problems(program, path)),
    ]
    for line in problems:
        print(f"tukur config: {line}", file=sys.stderr)
    if problems:
        return Exit.USAGE
    for _, path in files:
        print(f"{path} is valid")
    if not files:
        print("there is no settings file in /etc/tukur; nothing in the environment is misspelt")
    return 0


def _misspelt_variables() -> Iterator[str]:
    known = {name for program in PROGRAMS.values() for name in variables(program.settings)}
    for name in sorted(os.environ):
        near = get_close_matches(name, known, n=1, cutoff=0.85) if name.startswith("TUKUR_") else []
        if near and name not in known:
            yield f"{name} in the environment is no setting; did you mean {near[0]}?"


def _problems(program: Program, path: Path) -> list[str]:
    try:
        found = [f"{path}: {line}" for line in read_file(path, program.settings).problems()]
        if not found:
            _check_together(program, settings_now(program, path))
    except CommandError as error:
        return [str(error)]
    return found


def _check_together(program: Program, options: argparse.Namespace) -> None:
    """What no single setting says: files that are missing, settings that exclude each other."""
    for setting in program.settings:
        value = getattr(options, setting.dest)
        if isinstance(value, Secret):
            value.text()
    if program is HUB and hub_installed():
        from tukur.cli.hub import hub_settings

        hub_settings(options, Path(), options.enrol)
