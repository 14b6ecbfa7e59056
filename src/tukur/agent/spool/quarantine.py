"""Files beside the segments: blocks that a person should look at, and those of the layout before segments."""

import contextlib
import logging
import zlib
from collections.abc import Callable
from pathlib import Path

from tukur.agent.spool.format import CRC, Span, span_of
from tukur.protocol import messages
from tukur.protocol.errors import UNREADABLE

log = logging.getLogger(__name__)

_MOST = 100
"""Files of one folder aside: what nobody looks at must not fill the disk."""
_BATCH = 64
"""Files taken over between two writings to the disk."""
_SUFFIX = ".block"


def quarantine_block(folder: Path, span: Span, data: bytes) -> None:
    """Keeps a block's bytes as a file of their own, where there is room; the oldest make place."""
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / f"{span.boot_id}-{span.first_ns:020d}{_SUFFIX}").write_bytes(data)
        files = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        for path in files[:-_MOST]:
            path.unlink(missing_ok=True)


def take_over(folder: Path, append: Callable[[Span, bytes], None], sync: Callable[[], None]) -> int:
    """Brings in blocks that an older version kept as one file each; how many of them were damaged.

    A file goes when its block is on disk. Where the disk takes no more, the rest waits for the next start.
    """
    for leftover in folder.glob("*.tmp"):
        leftover.unlink(missing_ok=True)
    files = sorted(folder.glob("*" + _SUFFIX), key=lambda path: path.stem[-20:])
    damaged = 0
    try:
        for at in range(0, len(files), _BATCH):
            batch = files[at : at + _BATCH]
            bad = [path for path in batch if not _taken(path, append)]
            sync()
            damaged += len(bad)
            for path in batch:
                _leave(path, folder / "damaged") if path in bad else path.unlink(missing_ok=True)
    except OSError as error:
        log.warning("blocks of an older version are not all taken over: %s", error.strerror)
    return damaged


def _taken(path: Path, append: Callable[[Span, bytes], None]) -> bool:
    content = path.read_bytes()
    data = content[: -CRC.size]
    if len(content) < CRC.size or CRC.unpack(content[-CRC.size :])[0] != zlib.crc32(data):
        return False
    try:
        block = messages.from_agent.decode(data[1:])
    except UNREADABLE:
        return False
    if not isinstance(block, messages.Block):
        return False
    append(span_of(block), data)
    return True


def _leave(path: Path, folder: Path) -> None:
    log.warning("block %s is damaged; set aside", path.stem)
    folder.mkdir(mode=0o700, exist_ok=True)
    path.rename(folder / path.name)
