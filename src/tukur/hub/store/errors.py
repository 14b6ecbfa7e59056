"""Errors of the database, by what a person can do about them."""


class StoreError(Exception):
    """The database failed. The text is one line that says what was found and what was expected."""

    code = "store_failed"
    """Stable, for the API."""
    transient = False
    """Whether the same call may succeed later with nothing changed but the machine's state."""


class BusyError(StoreError):
    """Another program has locked the database for longer than the hub waits."""

    code = "store_busy"
    transient = True


class DatabaseLockedError(BusyError):
    """Another hub writes to the database. Only one may: each assumes that it is the only writer."""

    code = "store_held"


class ConflictError(BusyError):
    """The server rolled the transaction back because of a conflict; repeating it helps."""

    code = "store_conflict"


class EndedError(StoreError):
    """The query was cancelled: nobody waits for its answer, or an administrator did it."""

    code = "store_ended"


class UnreachableError(StoreError):
    """The server does not answer, or the connection to it broke."""

    code = "store_unreachable"
    transient = True


class RefusedError(StoreError):
    """The server refuses the user, grants too few privileges, or cannot be trusted."""

    code = "store_refused"


class UnfitError(StoreError):
    """The server's version or settings are not what the store needs."""

    code = "store_unfit"


class NotWritableError(StoreError):
    """The file or its directory cannot be opened for writing."""

    code = "store_not_writable"
    transient = True


class DiskFullError(StoreError):
    """No space is left."""

    code = "disk_full"
    transient = True


class InputOutputError(StoreError):
    """The disk itself fails."""

    code = "store_io"
    transient = True


class DamagedError(StoreError):
    """The file is not a database, or its content is not what was written."""

    code = "store_damaged"


class NewerVersionError(StoreError):
    """A newer program has changed the database."""

    code = "store_newer"


class BadBlockError(StoreError):
    """A block that can never be stored."""

    code = "bad_block"


class BackupDamagedError(StoreError):
    """A backup that is truncated or changed, or a file of another program."""

    code = "backup_damaged"


class NotEmptyError(StoreError):
    """Something is already where a backup is written or restored to."""

    code = "not_empty"
