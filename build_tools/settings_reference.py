"""Writes what the manual says of the settings, from their table in ``tukur.cli.settings.table``.

The tables of docs/reference/commands.md and settings.md between ``<!-- settings: ... -->`` and
``<!-- end -->``, and the JSON schemas of the settings files. Also a command:
``python -m build_tools.settings_reference``.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import msgspec

from tukur.cli.settings import table
from tukur.cli.settings.kinds import SWITCH
from tukur.cli.settings.parser import plain
from tukur.cli.settings.table import PROGRAMS, Program, Setting, settings_of

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"
GROUPS = {
    "data": table.DATA,
    "database": table.DATABASE,
    "log": table.LOG,
    "address": table.ADDRESS,
    "oidc": table.OIDC,
    "google": table.GOOGLE,
    "retention": table.RETENTION,
    "enrol": table.ENROL,
    "spool": table.SPOOL,
    "collecting": table.COLLECTING,
    "connection": table.CONNECTION,
    "orders": table.ORDERS,
    "up": table.UP_ORDERS,
}

_MARKED = re.compile(r"(<!-- settings: ([a-z ]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def generated() -> dict[Path, str]:
    """What each file must contain."""
    pages = [REFERENCE / name for name in ("commands.md", "settings.md")]
    return {
        **{page: _MARKED.sub(_fill, page.read_text(encoding="utf-8")) for page in pages},
        **{REFERENCE / f"{program.name}.schema.json": _schema(program) for program in PROGRAMS.values()},
    }


def _fill(marked: re.Match[str]) -> str:
    words = marked[2].split()
    rows = (
        _settings_rows(PROGRAMS[words[1]])
        if words[0] == "all"
        else _option_rows(settings_of(GROUPS[word] for word in words))
    )
    return f"{marked[1]}{rows}{marked[3]}"


def _option_rows(settings: tuple[Setting, ...]) -> str:
    """For the page of the commands."""
    rows = [f"| {_flags(setting)} | {_meaning(setting)} |\n" for setting in settings]
    return "".join(("| option | meaning |\n", "|---|---|\n", *rows))


def _flags(setting: Setting) -> str:
    value = f" {setting.shown_metavar}" if setting.shown_metavar else ""
    flags = [f"--{setting.option}", *setting.aliases]
    if setting.kind is SWITCH:
        flags.append(f"--no-{setting.option}")
    return ", ".join(f"`{flag}{value}`" for flag in flags)


def _meaning(setting: Setting) -> str:
    default = f" (default: {setting.shown_default})" if setting.shown_default else ""
    return f"{setting.help}{'. Repeatable' if setting.kind.separator else ''}{default}"


def _settings_rows(program: Program) -> str:
    """For the page of the settings."""
    rows = [
        f"| `{setting.option}` | {_variables(setting)} | {setting.kind.type_name} | {_remarks(setting)} |\n"
        for setting in program.settings
        if setting.in_file
    ]
    return "".join(
        ("| key | environment | type | meaning |\n", "|---|---|---|---|\n", *rows),
    )


def _variables(setting: Setting) -> str:
    names = [setting.variable, *([f"{setting.variable}_FILE"] if setting.secret else [])]
    return ", ".join(f"`{name}`" for name in names)


def _remarks(setting: Setting) -> str:
    default = f" (default: {setting.shown_default})" if setting.shown_default else ""
    return f"{setting.help}{default}{'; *reloads*' if setting.reloads else ''}"


def _schema(program: Program) -> str:
    content = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Settings of the tukur {program.name}: {program.file}",
        "type": "object",
        "properties": {one.option: _property(one) for one in program.settings if one.in_file},
        "additionalProperties": False,
    }
    return json.dumps(content, indent=2) + "\n"


def _property(setting: Setting) -> dict[str, Any]:
    described = {**msgspec.json.schema(setting.kind.type), "description": plain(setting.help)}
    if setting.default is not None:
        described["default"] = msgspec.to_builtins(setting.default, enc_hook=str)
    return described


def main() -> int:
    """Writes the files."""
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
