"""One log format for every command."""

import argparse
import logging
import sys


def begin_logging(options: argparse.Namespace, who: str) -> None:
    """Logs to standard error, a line each, with the time and which part speaks."""
    logging.basicConfig(
        stream=sys.stderr,
        level=options.log_level.upper(),
        format=f"%(asctime)s {who} %(levelname)s %(message)s",
    )
    for noisy in ("uvicorn", "websockets", "aiosqlite", "alembic", "asyncio", "httpx"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # What retries reports its first failure itself; stamina would add a line for each attempt.
    logging.getLogger("stamina").setLevel(logging.ERROR)


def set_level(level: str) -> None:
    """Of everything that the process logs from now on."""
    logging.getLogger().setLevel(level.upper())
