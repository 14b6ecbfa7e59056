"""The file of this host's policy: read with distrust, and again whenever it changes."""

import logging
import os
import stat
import tomllib
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from tukur.agent.policy.policy import ACTIONS, SIGNALS, Policy, Selection

log = logging.getLogger(__name__)

_KEYS = ("mode", "signals", "actions", "allow", "protect", "unprotect")
_MODES = ("monitor-only", "signals")
_LONGEST = 256


class PolicyError(Exception):
    """The policy file is not as it must be. The text says what was found and what was expected."""


def parse_policy(text: str) -> Policy:
    """What a policy file says. Raises PolicyError."""
    try:
        content = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise PolicyError(f"no TOML: {error}") from error
    _known(content, _KEYS, "")
    mode = content.get("mode", "signals" if "signals" in content else "monitor-only")
    if mode not in _MODES:
        raise PolicyError(f"mode = {mode!r}; one of {', '.join(_MODES)} expected")
    signals = _some_of(content, "signals", SIGNALS, SIGNALS if mode == "signals" else ())
    actions = _some_of(content, "actions", ACTIONS, ())
    if mode == "monitor-only":
        signals = actions = ()
    unprotect = content.get("unprotect", {})
    _table(unprotect, "unprotect")
    _known(unprotect, ("names",), "unprotect.")
    return Policy(
        signals=signals,
        actions=actions,
        allow=_selection(content, "allow"),
        protect=_selection(content, "protect"),
        unprotect=_words(unprotect, "names", "unprotect."),
    )


def _known(table: dict[str, Any], keys: tuple[str, ...], where: str) -> None:
    unknown = sorted(set(table) - set(keys))
    if unknown:
        raise PolicyError(f"unknown key {where + unknown[0]!r}; known: {', '.join(keys)}")


def _table(value: Any, name: str) -> None:
    if not isinstance(value, dict):
        raise PolicyError(f"{name} = {value!r}; a table [{name}] expected")


def _some_of(
    content: dict[str, Any], key: str, known: tuple[str, ...], default: tuple[str, ...]
) -> tuple[str, ...]:
    found = content.get(key, list(default))
    if not isinstance(found, list) or not all(isinstance(one, str) and one in known for one in found):
        raise PolicyError(f"{key} = {found!r}; a list of some of {', '.join(known)} expected")
    return tuple(found)


def _selection(content: dict[str, Any], name: str) -> Selection:
    table = content.get(name, {})
    _table(table, name)
    keys = tuple(field.name for field in fields(Selection))
    _known(table, keys, f"{name}.")
    return Selection(**{key: _words(table, key, f"{name}.") for key in keys})


def _words(table: dict[str, Any], key: str, where: str) -> tuple[str, ...]:
    found = table.get(key, [])
    good = isinstance(found, list) and all(isinstance(one, str) and 0 < len(one) <= _LONGEST for one in found)
    if not good or len(found) > _LONGEST:
        raise PolicyError(f"{where}{key} = {found!r}; a list of up to {_LONGEST} patterns expected")
    return tuple(found)


def load_policy(path: Path) -> Policy:
    """What the file says; a file that is not there allows nothing. Raises PolicyError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return Policy()
    except OSError as error:
        raise PolicyError(f"{path}: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as file:
        _trusted(path, os.fstat(descriptor))
        content = file.read(1_000_000)
    try:
        return parse_policy(content.decode())
    except UnicodeDecodeError as error:
        raise PolicyError(f"{path}: no UTF-8: {error}") from error
    except PolicyError as error:
        raise PolicyError(f"{path}: {error}") from error


def _trusted(path: Path, status: os.stat_result) -> None:
    """Whoever can write the file can have any process of others killed: only root, or who runs the agent."""
    if status.st_uid not in (0, os.geteuid()) or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PolicyError(
            f"{path} has mode {status.st_mode & 0o777:04o} and owner {status.st_uid}; "
            "owned by root and writable by nobody else expected"
        )


class PolicyFile:
    """The policy of a file, with what the file cannot know: who the agent is."""

    def __init__(self, path: Path, base: Policy, absent: Policy | None = None) -> None:
        """`base`: own_pid, own_unit and supervisor count; `absent`: what holds without a file, else nothing.

        Raises PolicyError: an agent does not begin with a file that cannot be understood.
        """
        self._path = path
        self._base = base
        self._absent = absent or Policy()
        self._seen = self._look()
        self._policy = self._load()

    def current(self) -> Policy:
        """As the file is now; one that became unusable allows nothing, and says why."""
        seen = self._look()
        if seen != self._seen:
            self._seen = seen
            try:
                self._policy = self._load()
                log.info("the policy %s has changed", self._path)
            except PolicyError as error:
                log.error("the policy has changed and cannot be used, nothing is allowed: %s", error)
                self._policy = self._own(Policy(problem=str(error)))
        return self._policy

    def _look(self) -> tuple[int, ...]:
        try:
            status = self._path.stat()
        except OSError as error:
            return (error.errno or 0,)
        return (status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_size)

    def _load(self) -> Policy:
        return self._own(load_policy(self._path) if self._path.exists() else self._absent)

    def _own(self, policy: Policy) -> Policy:
        base = self._base
        return replace(policy, own_pid=base.own_pid, own_unit=base.own_unit, supervisor=base.supervisor)
