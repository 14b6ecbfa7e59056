"""Settings files: TOML with one key for each setting, nothing unknown and nothing of a wrong type."""

import os
import stat
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from tukur.cli.errors import CommandError, Exit
from tukur.cli.settings.table import PROGRAMS, Program, Setting

_MAX_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """What a file says; empty where there is none."""

    path: Path
    settings: tuple[Setting, ...]
    """Those that it may contain."""
    content: Mapping[str, Any] = field(default_factory=dict)

    def problems(self) -> list[str]:
        """A line for each key that is unknown or whose value cannot be."""
        known = {setting.option: setting for setting in self.settings if setting.in_file}
        return [
            problem
            for key, value in self.content.items()
            if (problem := _problem(key, value, known)) is not None
        ]


def _problem(key: str, value: object, known: Mapping[str, Setting]) -> str | None:
    if key not in known:
        return f"unknown key {key!r}{_hint(key, known)}"
    try:
        known[key].kind.of_toml(value)
    except ValueError as error:
        # The value of a secret is not shown.
        return f"{key}: {known[key].kind.expected}" if known[key].secret else f"{key} = {error}"
    return None


def _hint(key: str, known: Iterable[str]) -> str:
    near = nearest(key, known)
    if near:
        return f"; did you mean {near!r}?"
    for program in PROGRAMS.values():
        if any(setting.in_file and setting.option == key for setting in program.settings):
            return f"; it belongs in {program.file.name}"
    return "; `tukur config show` lists what is known"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant."""
    return next(iter(get_close_matches(word.replace("_", "-").lower(), list(known), n=1)), None)


def read_file(path: Path, settings: tuple[Setting, ...]) -> SettingsFile:
    """The file, checked for being TOML that only its owner can write. Raises CommandError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise CommandError(Exit.USAGE, f"{path} cannot be read: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "rb") as file:
            _check_trusted(path, os.fstat(descriptor))
            content = tomllib.loads(file.read(_MAX_BYTES).decode("utf-8"))
    except OSError as error:
        raise CommandError(Exit.USAGE, f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CommandError(Exit.USAGE, f"{path} is not valid UTF-8: {error}") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise CommandError(Exit.USAGE, f"{path} is not valid TOML: {error}") from error
    return SettingsFile(path, settings, content)


def _check_trusted(path: Path, status: os.stat_result) -> None:
    # Whoever writes it decides what runs here, and as an agent's what may be stopped.
    shared = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if stat.S_ISREG(status.st_mode) and (status.st_uid not in (0, os.geteuid()) or shared):
        raise CommandError(
            Exit.USAGE,
            f"{path} has mode {stat.S_IMODE(status.st_mode):04o} and owner {status.st_uid}; "
            "owned by root or this user, and writable by nobody else, expected",
        )


def load_files(programs: Sequence[Program], given: Path | None) -> list[SettingsFile]:
    """The settings files of some daemons; a given one stands for all of theirs. Raises CommandError."""
    if not programs:
        return []
    if given is not None:
        settings = tuple(dict.fromkeys(one for program in programs for one in program.settings))
        files = [read_file(given.expanduser(), settings)]
    else:
        files = [
            read_file(program.file, program.settings)
            if program.file.exists()
            else SettingsFile(program.file, program.settings)
            for program in programs
        ]
    for file in files:
        check_keys(file)
    return files


def check_keys(file: SettingsFile) -> None:
    """Raises CommandError for the first key that is unknown or whose value cannot be."""
    problems = file.problems()
    if problems:
        more = f" (and {len(problems) - 1} more: tukur config check)" if len(problems) > 1 else ""
        raise CommandError(Exit.USAGE, f"{file.path}: {problems[0]}{more}")
