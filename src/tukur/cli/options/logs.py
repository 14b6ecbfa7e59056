"""One log format for every command."""

import argparse
import logging
import sys

from tukur.text import readable


class _Formatter(logging.Formatter):
    """One line for each message, whatever the names in it hold."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        record.message = readable(record.message)
        return super().formatMessage(record)


def begin_logging(options: argparse.Namespace, who: str) -> None:
    """Logs to standard error, a line each, with the time and which part speaks."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter(f"%(asctime)s {who} %(levelname)s %(message)s"))
    logging.basicConfig(level=options.log_level.upper(), handlers=[handler])
    for noisy in ("uvicorn", "websockets", "aiosqlite", "alembic", "asyncio", "httpx"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # What retries reports its first failure itself; stamina would add a line for each attempt.
    logging.getLogger("stamina").setLevel(logging.ERROR)


def set_level(level: str) -> None:
    """Of everything that the process logs from now on."""
    logging.getLogger().setLevel(level.upper())
