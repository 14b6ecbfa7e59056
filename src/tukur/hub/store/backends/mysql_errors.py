"""The errors of MariaDB and MySQL, by what a person can do about them."""

import ssl

import asyncmy.errors

from tukur.hub.store import errors

_Kind = tuple[frozenset[int], type[errors.StoreError], str]

_KINDS: tuple[_Kind, ...] = (
    (
        frozenset({1045, 1698, 1524, 1862, 1820, 3118}),
        errors.RefusedError,
        "refuses the user or the password",
    ),
    (frozenset({1049}), errors.RefusedError, "has no such database"),
    (
        frozenset({1044, 1142, 1143, 1227, 1370, 1410}),
        errors.RefusedError,
        "grants this user too few rights",
    ),
    (frozenset({2026}), errors.RefusedError, "cannot be trusted"),
    # 1305: a savepoint is gone, with all of the transaction that a deadlock undid.
    (
        frozenset({1205, 1213, 1020, 1305, 3572}),
        errors.ConflictError,
        "rolled the transaction back because of a lock conflict",
    ),
    (frozenset({1040, 1203, 1226}), errors.BusyError, "accepts no more connections"),
    (frozenset({1969, 3024}), errors.BusyError, "took too long"),
    (frozenset({1317}), errors.EndedError, "cancelled the query"),
    (
        # Of the client, then of a server that goes down or comes up, or of somebody who ended the connection.
        frozenset({2000, 2002, 2003, 2005, 2006, 2013, 2014, 2055, 1053, 1077, 1079, 1080, 1152, 1158, 1159})
        | {1160, 1161, 1927, 4031},
        errors.UnreachableError,
        "cannot be reached",
    ),
    (frozenset({1021, 1114, 1026}), errors.DiskFullError, "has no space left"),
    (frozenset({1290, 1792, 1836, 3100}), errors.NotWritableError, "is not writable"),
    (frozenset({1153}), errors.UnfitError, "does not accept so long a statement (max_allowed_packet)"),
    (frozenset({1665}), errors.UnfitError, "has binlog_format=STATEMENT; ROW or MIXED expected"),
    (
        frozenset({126, 127, 145, 1016, 1017, 1033, 1034, 1035, 1054, 1146, 1194, 1195, 1877, 1932}),
        errors.DamagedError,
        "is damaged",
    ),
)
_NO_SPACE = ("errno: 28", "no space left", "error 28")


def kind(name: str, error: Exception) -> errors.StoreError | None:
    """The StoreError for an error; None: it is neither the driver's nor the system's."""
    number, text = _parts(error)
    reason = _reason(error)
    found, sentence = _known(reason if isinstance(reason, ssl.SSLError) else error, number, text)
    if found is None:
        return None
    because = f": {reason}" if reason is not None and str(reason) not in text else ""
    return found(f"the database {name} {sentence}: {text}{because} ({number})")


def _reason(error: BaseException) -> OSError | None:
    """The system's error behind one that the driver words by itself."""
    below = error.__cause__ or error.__context__
    while below is not None and not isinstance(below, OSError):
        below = below.__cause__ or below.__context__
    return below


def _known(error: Exception, number: int, text: str) -> tuple[type[errors.StoreError] | None, str]:
    if isinstance(error, ssl.SSLError):
        # The driver asks for TLS whatever the server offers: one that has none answers in plain text.
        plain = getattr(error, "reason", "") == "WRONG_VERSION_NUMBER"
        return errors.RefusedError, "offers no TLS" if plain else "cannot be trusted"
    if isinstance(error, OSError | EOFError | asyncmy.errors.InterfaceError):
        return errors.UnreachableError, "cannot be reached"
    if isinstance(error, RuntimeError) and "cryptography" in text:
        # caching_sha2_password without TLS: by a public key that anybody in between could replace.
        return errors.RefusedError, "takes the password only over TLS (ssl-ca) or over its socket"
    return _servers(number, text) if isinstance(error, asyncmy.errors.Error) else (None, "")


def _servers(number: int, text: str) -> tuple[type[errors.StoreError], str]:
    if any(word in text.lower() for word in _NO_SPACE):
        return errors.DiskFullError, "has no space left"
    kinds = ((found, sentence) for numbers, found, sentence in _KINDS if number in numbers)
    return next(kinds, (errors.StoreError, "failed"))


def _parts(error: Exception) -> tuple[int, str]:
    """(the error's number or 0, its text)."""
    arguments = error.args
    if len(arguments) > 1 and isinstance(arguments[0], int):
        return arguments[0], str(arguments[1])
    return 0, str(error) or type(error).__name__
