"""Makes one longer block of consecutive ones: the longer, the fewer bytes for each sample."""

from collections.abc import Sequence

from tukur.blocks.builder import BlockBuilder, Encoded
from tukur.blocks.container import BlockDamagedError
from tukur.blocks.layout import MAX_SAMPLES
from tukur.blocks.reader import decode_host_samples, decode_samples
from tukur.records import Snapshot

Payloads = tuple[bytes, bytes, int | None]
"""The columns of one block, (tasks, host), and when its first sample was taken: see ``decode_table()``."""


def merge_blocks(parts: Sequence[Payloads]) -> Encoded:
    """One block with all samples of these, which must follow each other without a hole.

    Each sample decodes to the very same records. Raises BlockDamagedError; ValueError where a part does not
    begin with the last sample of the one before, or where there are more than MAX_SAMPLES.
    """
    builder: BlockBuilder | None = None
    last_ns = 0
    for part in parts:
        before, own = _snapshots(*part)
        if builder is None:
            builder = BlockBuilder(before)
        elif before is None or before.boot_ns != last_ns:
            raise ValueError(f"a block that does not go on from the sample at {last_ns} ns")
        for snapshot in own:
            if builder.samples >= MAX_SAMPLES:
                raise ValueError(f"more than {MAX_SAMPLES} samples")
            builder.add(snapshot)
            last_ns = snapshot.boot_ns
    if builder is None:
        raise ValueError("no block to merge")
    return builder.finish()


def _snapshots(tasks: bytes, host: bytes, first_ms: int | None) -> tuple[Snapshot | None, list[Snapshot]]:
    """The sample that the block goes on from, where it knows it, and the block's own."""
    hosts = decode_host_samples(host, first_ms)
    tables = list(decode_samples(tasks, first_ms, baseline=True))
    if [boot_ns for _, boot_ns, _ in hosts.samples] != [boot_ns for _, boot_ns, _ in tables]:
        raise BlockDamagedError("the host's columns and the processes' are not of the same samples")
    snapshots = [
        Snapshot(wall_ns=wall_ns, boot_ns=boot_ns, host=sample, tasks=records)
        for (wall_ns, boot_ns, sample), (_, _, records) in zip(hosts.samples, tables, strict=True)
    ]
    return (snapshots[0], snapshots[1:]) if hosts.baseline else (None, snapshots)
