"""The store's errors as the command line's."""

from collections.abc import Awaitable
from typing import TypeVar

from tukur.cli.errors import CommandError, Exit
from tukur.hub.store import errors

T = TypeVar("T")

_EXITS: tuple[tuple[type[errors.StoreError], Exit], ...] = (
    (errors.NotWritableError, Exit.DATA_NOT_WRITABLE),
    (errors.DiskFullError, Exit.DISK_FULL),
    (errors.DamagedError, Exit.DATABASE_DAMAGED),
    (errors.NewerVersionError, Exit.DATABASE_NEWER),
    (errors.UnreachableError, Exit.DATABASE_UNREACHABLE),
    (errors.RefusedError, Exit.DATABASE_REFUSED),
    (errors.UnfitError, Exit.DATABASE_UNFIT),
    (errors.DatabaseLockedError, Exit.DATA_IN_USE),
    (errors.BackupDamagedError, Exit.BACKUP_DAMAGED),
    (errors.NotEmptyError, Exit.TARGET_NOT_EMPTY),
)


def command_error(error: errors.StoreError) -> CommandError:
    """The same words, with their exit code."""
    code = next((code for kind, code in _EXITS if isinstance(error, kind)), Exit.FAILED)
    return CommandError(code, str(error))


async def store_call(call: Awaitable[T]) -> T:
    """The call's result. Raises CommandError for what the store raises."""
    try:
        return await call
    except errors.StoreError as error:
        raise command_error(error) from error
    except ValueError as error:
        raise CommandError(Exit.USAGE, str(error)) from error
