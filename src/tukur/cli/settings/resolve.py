"""Where each setting's value comes from: flag, environment, credential, file, default, in that order."""

import argparse
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tukur.cli.errors import CommandError, Exit
from tukur.cli.settings.files import SettingsFile, load_files
from tukur.cli.settings.secrets import CREDENTIALS, Secret, read_secret
from tukur.cli.settings.table import CONFIG, Setting

Source = Literal["flag", "environment", "credential", "file", "default"]


@dataclass(frozen=True, slots=True)
class Found:
    """A setting's value, and who said so."""

    value: Any
    source: Source
    place: str
    """The flag, the variable, the credential's file or ``key in FILE``, for messages."""


def resolve(options: argparse.Namespace) -> argparse.Namespace:
    """Fills in what the command line did not say. Raises CommandError.

    `options.found` maps the settings' attributes to Found, `options.given` to what the flags said.
    """
    settings: tuple[Setting, ...] = getattr(options, "settings", ())
    if not settings:
        return options
    options.given = {setting.dest: getattr(options, setting.dest) for setting in settings}
    options.found = find_all(options)
    for dest, found in options.found.items():
        setattr(options, dest, found.value)
    return options


def find_all(options: argparse.Namespace) -> dict[str, Found]:
    """The settings of parsed options as they are now, by their attributes. Raises CommandError."""
    config = find(CONFIG, options.given.get(CONFIG.dest), (), os.environ)
    files = load_files(options.programs, config.value)
    return {
        setting.dest: config
        if setting is CONFIG
        else find(setting, options.given[setting.dest], files, os.environ)
        for setting in options.settings
    }


def find(
    setting: Setting, given: Any, files: Iterable[SettingsFile], environment: Mapping[str, str]
) -> Found:
    """One setting. `given`: what its flag said; None: nothing. Raises CommandError."""
    if given is not None:
        place = f"--{setting.option}"
        value = _checked(place, setting, setting.kind.of_flag, given)
        return Found(Secret(place, value) if setting.by_file else value, "flag", place)
    return (
        _of_environment(setting, environment)
        or _of_credential(setting, environment)
        or _of_file(setting, files)
        or Found(setting.default, "default", "default")
    )


def _checked(place: str, setting: Setting, convert: Any, value: Any) -> Any:
    try:
        return convert(value)
    except ValueError as error:
        # A database's URL may contain the password.
        text = f"not valid; {setting.kind.expected}" if setting.secret else str(error)
        raise CommandError(Exit.USAGE, f"{place} {text}") from error


def _of_environment(setting: Setting, environment: Mapping[str, str]) -> Found | None:
    text = environment.get(setting.variable, "")
    if not setting.secret:
        if not text:
            return None
        value = _checked(setting.variable, setting, setting.kind.of_text, text)
        return Found(value, "environment", setting.variable)
    by_file = f"{setting.variable}_FILE"
    path = environment.get(by_file, "")
    if text and path:
        raise CommandError(Exit.USAGE, f"{setting.variable} and {by_file} are both set; one of them expected")
    if path:
        return _of_secret_file(setting, by_file, Path(path), "environment")
    if not text:
        return None
    secret = Secret(setting.variable, content=text) if setting.by_file else text
    return Found(secret, "environment", setting.variable)


def _of_credential(setting: Setting, environment: Mapping[str, str]) -> Found | None:
    folder = environment.get(CREDENTIALS, "")
    path = Path(folder) / setting.name
    if not setting.secret or not folder or not path.exists():
        return None
    return _of_secret_file(setting, "credential", path, "credential")


def _of_secret_file(setting: Setting, place: str, path: Path, source: Source) -> Found:
    secret = Secret(place, path.expanduser())
    return Found(secret if setting.by_file else read_secret(place, path), source, f"{path} ({place})")


def _of_file(setting: Setting, files: Iterable[SettingsFile]) -> Found | None:
    # What several files may say, such as the data directory, is said by the first that may: the hub's.
    file = next((file for file in files if setting in file.settings), None)
    if file is None or setting.option not in file.content:
        return None
    place = f"{setting.option} in {file.path}"
    value = setting.kind.of_toml(file.content[setting.option])
    return Found(Secret(place, value) if setting.by_file else value, "file", place)


def variables(settings: Iterable[Setting]) -> list[str]:
    """The environment variables that settings are read from."""
    return [
        name
        for setting in settings
        for name in (setting.variable, *((f"{setting.variable}_FILE",) if setting.secret else ()))
    ]


def arguments_of(options: argparse.Namespace, settings: Sequence[Setting]) -> list[str]:
    """The flags that make a child find the same values; secrets of the environment are inherited."""
    found: Mapping[str, Found] = options.found
    return [word for setting in settings for word in _flags(setting, found[setting.dest])]


def _flags(setting: Setting, found: Found) -> list[str]:
    if found.source == "default" or (setting.secret and found.source not in ("flag", "file")):
        return []
    flag, value = f"--{setting.option}", found.value
    if isinstance(value, bool):
        return [flag if value else f"--no-{setting.option}"]
    if isinstance(value, Secret):
        value = value.path
    if isinstance(value, Path):
        value = value.expanduser().absolute()
    return [f"{flag}={one}" for one in (value if isinstance(value, list) else [value])]
