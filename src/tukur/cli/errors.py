"""What a command can fail with: one line for a person, one exit code for a script."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes; a test holds docs/reference/exit-codes.md to them."""

    FAILED = 1
    USAGE = 2
    PORT_BUSY = 3
    DATA_NOT_WRITABLE = 4
    DISK_FULL = 5
    DATABASE_DAMAGED = 6
    DATABASE_NEWER = 7
    DATA_IN_USE = 8
    SOURCE_UNAVAILABLE = 9
    SOURCES_DISAGREE = 10
    MODULE = 11
    DATABASE_UNREACHABLE = 12
    DATABASE_REFUSED = 13
    DATABASE_UNFIT = 14
    CERTIFICATE = 15
    JOIN_REFUSED = 16
    HUB_UNREACHABLE = 17
    HUB_NOT_TRUSTED = 18
    EXTRA_NOT_INSTALLED = 19
    BACKUP_DAMAGED = 20
    TARGET_NOT_EMPTY = 21
    CLOUD_ACCESS = 22
    CLOUD_QUOTA = 23
    CLOUD_NAME_TAKEN = 24
    CLOUD_FAILED = 25


class CommandError(Exception):
    """Ends a command. The text is one line that says what was found and what was expected."""

    def __init__(self, exit_code: Exit, text: str) -> None:
        super().__init__(text)
        self.exit_code = exit_code
