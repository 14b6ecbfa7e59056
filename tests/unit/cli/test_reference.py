"""The reference documents every command, option and exit code, and nothing that does not exist."""

import argparse
import importlib
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import jsonschema_rs
import pytest

from build_tools.settings_reference import generated
from tukur.cli import COMMANDS, _called, _parser
from tukur.cli.errors import Exit
from tukur.cli.settings.files import read_file
from tukur.cli.settings.table import HUB, PROGRAMS

ROOT = Path(__file__).resolve().parents[3]
REFERENCE = ROOT / "docs" / "reference"
OPTION = re.compile(r"`(--[a-z-]+)[^`]*`")


def parsers(parser: argparse.ArgumentParser, name: str) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """A command and all its subcommands, by their full names."""
    yield name, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, subparser in action.choices.items():
                yield from parsers(subparser, f"{name} {word}")


def commands() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command of the command line."""
    for command in COMMANDS:
        parser = argparse.ArgumentParser()
        importlib.import_module(command.module).arguments(parser)
        yield from parsers(parser, f"tukur {command.name}")


def sections() -> dict[str, str]:
    """The page's sections by their headings."""
    page = (REFERENCE / "commands.md").read_text(encoding="utf-8")
    _, *parts = re.split(r"^#{2,} (.+)\n", page, flags=re.MULTILINE)
    return {heading.strip("`"): text for heading, text in zip(parts[::2], parts[1::2], strict=True)}


def options_in(heading: str) -> set[str]:
    """The options in a section's tables, and in those of the shared sections that it links to."""
    text = sections()[heading]
    shared = {re.sub(r"\W+", "-", name.lower()): body for name, body in sections().items()}
    texts = [text, *(shared[anchor] for anchor in re.findall(r"\]\(#(options-[a-z-]+)\)", text))]
    cells = [row.split("|")[1] for part in texts for row in part.splitlines() if row.startswith("|")]
    return {option for cell in cells for option in OPTION.findall(cell)}


@pytest.mark.parametrize(("name", "parser"), [pytest.param(*each, id=each[0]) for each in commands()])
def test_a_command_is_documented_with_all_its_options_and_no_others(
    name: str, parser: argparse.ArgumentParser
) -> None:
    shown = [action for action in parser._actions if action.help is not argparse.SUPPRESS]
    options = {word for action in shown for word in action.option_strings if word.startswith("--")}
    assert name in sections()
    assert options_in(name) == options - {"--help"}
    values = [action for action in shown if not action.option_strings and action.dest != "action"]
    for value in values:
        words = [str(choice) for choice in value.choices or ()] or [str(value.metavar or value.dest).upper()]
        for word in words:
            assert f"`{word}`" in sections()[name], word


def test_every_documented_command_exists() -> None:
    documented = {heading for heading in sections() if heading.startswith("tukur ")}
    assert documented == {name for name, _ in commands()}


def test_every_exit_code_is_documented() -> None:
    page = (REFERENCE / "exit-codes.md").read_text(encoding="utf-8")
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)} == {0, 130, *Exit}


def examples() -> Iterator[tuple[str, list[str]]]:
    """(page, arguments) of every command in the pages' examples; usage lines with brackets are none."""
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        for block in re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            for line in re.findall(
                r"^(?:token=\$\(|sudo -u \S+ )?(?:\.venv/bin/)?tukur ([a-z].*)$", block, re.MULTILINE
            ):
                if "[" not in line:
                    yield page.name, shlex.split(line.replace("...", "X").rstrip(")"), comments=True)
            for line in re.findall(r"^make run ARGS='(.*)'", block, re.MULTILINE):
                yield page.name, ["up", *shlex.split(line)]


def test_every_command_in_an_example_is_accepted() -> None:
    found = list(examples())
    assert len(found) > 40
    for page, arguments in found:
        options = _parser(_called(arguments)).parse_args(
            ["1" if word in ("$$", "4711") else word for word in arguments]
        )
        assert options.command, (page, arguments)


@pytest.mark.parametrize(
    ("path", "text"), [pytest.param(*each, id=each[0].name) for each in generated().items()]
)
def test_what_is_generated_from_the_settings_is_current(path: Path, text: str) -> None:
    assert path.read_text(encoding="utf-8") == text, "run `python -m build_tools.settings_reference`"


def test_every_setting_of_a_file_is_documented_with_its_variable() -> None:
    page = (REFERENCE / "settings.md").read_text(encoding="utf-8")
    for program in PROGRAMS.values():
        for setting in program.settings:
            if setting.in_file:
                assert f"| `{setting.option}` | `{setting.variable}`" in page


def test_the_settings_file_in_the_manual_is_valid(tmp_path: Path) -> None:
    page = (REFERENCE / "settings.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```toml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "hub.toml").write_text(example)
    assert read_file(tmp_path / "hub.toml", HUB.settings).problems() == []


@pytest.mark.parametrize(
    "text",
    [
        "port = 9000\nname = ['a']\nkeep-seconds = '60m'\nmax-size = '64MiB'",
        "prot = 1",
        "port = 0",
        "keep-seconds = '59m'",
        "max-size = '20GB'",
        "require-reason = 1",
        "log-level = 'loud'",
    ],
)
def test_an_editor_with_the_schema_says_the_same_as_the_daemon(text: str, tmp_path: Path) -> None:
    schema = json.loads((REFERENCE / "hub.schema.json").read_text(encoding="utf-8"))
    (tmp_path / "hub.toml").write_text(text)
    found = read_file(tmp_path / "hub.toml", HUB.settings)
    assert jsonschema_rs.is_valid(schema, dict(found.content)) is (found.problems() == [])
