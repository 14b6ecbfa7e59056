"""The policy file of this host: validated, and read again whenever it changes."""

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
_MAX_LENGTH = 256


class PolicyError(Exception):
    """The policy file is not valid. The text says what was found and what was expected."""


def parse_policy(text: str) -> Policy:
    """The policy that a file's text describes. Raises PolicyError."""
    try:
        content = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise PolicyError(f"is not valid TOML: {error}") from error
    _check_keys(content, _KEYS, "")
    mode = content.get("mode", "signals" if "signals" in content else "monitor-only")
    if mode not in _MODES:
        raise PolicyError(f"mode = {mode!r}; one of {', '.join(_MODES)} expected")
    signals = _subset(content, "signals", SIGNALS, SIGNALS if mode == "signals" else ())
    actions = _subset(content, "actions", ACTIONS, ())
    if mode == "monitor-only":
        signals = actions = ()
    unprotect = content.get("unprotect", {})
    _check_table(unprotect, "unprotect")
    _check_keys(unprotect, ("names",), "unprotect.")
    return Policy(
        signals=signals,
        actions=actions,
        allow=_selection(content, "allow"),
        protect=_selection(content, "protect"),
        unprotect=_patterns(unprotect, "names", "unprotect."),
    )


def _check_keys(table: dict[str, Any], keys: tuple[str, ...], where: str) -> None:
    unknown = sorted(set(table) - set(keys))
    if unknown:
        raise PolicyError(f"unknown key {where + unknown[0]!r}; known: {', '.join(keys)}")


def _check_table(value: Any, name: str) -> None:
    if not isinstance(value, dict):
        raise PolicyError(f"{name} = {value!r}; a table [{name}] expected")


def _subset(
    content: dict[str, Any], key: str, known: tuple[str, ...], default: tuple[str, ...]
) -> tuple[str, ...]:
    found = content.get(key, list(default))
    if not isinstance(found, list) or not all(isinstance(one, str) and one in known for one in found):
        raise PolicyError(f"{key} = {found!r}; a list of some of {', '.join(known)} expected")
    return tuple(found)


def _selection(content: dict[str, Any], name: str) -> Selection:
    table = content.get(name, {})
    _check_table(table, name)
    keys = tuple(field.name for field in fields(Selection))
    _check_keys(table, keys, f"{name}.")
    return Selection(**{key: _patterns(table, key, f"{name}.") for key in keys})


def _patterns(table: dict[str, Any], key: str, where: str) -> tuple[str, ...]:
    found = table.get(key, [])
    good = isinstance(found, list) and all(
        isinstance(one, str) and 0 < len(one) <= _MAX_LENGTH for one in found
    )
    if not good or len(found) > _MAX_LENGTH:
        raise PolicyError(f"{where}{key} = {found!r}; a list of up to {_MAX_LENGTH} patterns expected")
    return tuple(found)


def load_policy(path: Path) -> Policy:
    """The policy of a file; without a file nothing is allowed. Raises PolicyError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return Policy()
    except OSError as error:
        raise PolicyError(f"{path}: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as file:
        _check_trusted(path, os.fstat(descriptor))
        content = file.read(1_000_000)
    try:
        return parse_policy(content.decode())
    except UnicodeDecodeError as error:
        raise PolicyError(f"{path}: is not valid UTF-8: {error}") from error
    except PolicyError as error:
        raise PolicyError(f"{path}: {error}") from error


def _check_trusted(path: Path, status: os.stat_result) -> None:
    """Checks that only root or the agent's user can write the file: its writer decides what may be killed."""
    if status.st_uid not in (0, os.geteuid()) or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PolicyError(
            f"{path} has mode {status.st_mode & 0o777:04o} and owner {status.st_uid}; "
            "owned by root and writable by nobody else expected"
        )


class PolicyFile:
    """The policy of a file, completed by the agent's own PID, unit and supervisor."""

    def __init__(self, path: Path, base: Policy, absent: Policy | None = None) -> None:
        """`base`: gives own_pid, own_unit and supervisor; `absent`: the policy without a file, else nothing.

        Raises PolicyError: an agent does not start with a file that is not valid.
        """
        self._path = path
        self._base = base
        self._absent = absent or Policy()
        self._seen = self._stat()
        self._policy = self._load()

    def change(self, path: Path, absent: Policy | None) -> None:
        """Another file, and another policy for where there is none. Raises PolicyError: nothing changes."""
        if (path, absent or Policy()) == (self._path, self._absent):
            return
        other = PolicyFile(path, self._base, absent)
        self._path, self._absent, self._seen, self._policy = path, other._absent, other._seen, other._policy

    def current(self) -> Policy:
        """The policy as the file is now; one that is no longer valid allows nothing, and says why."""
        seen = self._stat()
        if seen != self._seen:
            self._seen = seen
            try:
                self._policy = self._load()
                log.info("the policy %s has changed", self._path)
            except PolicyError as error:
                log.error("the policy has changed and is not valid, nothing is allowed: %s", error)
                self._policy = self._complete(Policy(problem=str(error)))
        return self._policy

    def _stat(self) -> tuple[int, ...]:
        try:
            status = self._path.stat()
        except OSError as error:
            return (error.errno or 0,)
        return (status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_size)

    def _load(self) -> Policy:
        return self._complete(load_policy(self._path) if self._path.exists() else self._absent)

    def _complete(self, policy: Policy) -> Policy:
        base = self._base
        return replace(policy, own_pid=base.own_pid, own_unit=base.own_unit, supervisor=base.supervisor)
