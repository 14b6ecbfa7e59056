"""What lives run: each command is stored once, with the search tokens that find it."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, exists, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from tukur.hub.store.backends.bulk import chunks, insert_new
from tukur.hub.store.schema import command, command_word, image
from tukur.hub.store.search_tokens import COMMAND_TEXTS, command_hash, search_tokens

DAY_MS = 86_400_000
IMAGES = image.join(command, command.c.id == image.c.command)
"""Images with their texts."""
IMAGE_COLUMNS: tuple[Any, ...] = (
    *(column for column in image.columns if column.name != "command"),
    *(command.c[name] for name in COMMAND_TEXTS),
)


async def command_numbers(
    connection: AsyncConnection, commands: Sequence[Mapping[str, Any]], at_ms: int
) -> list[int]:
    """The number of each command, inserted if it is new; `at_ms`: when it was run."""
    hashes = [command_hash(texts) for texts in commands]
    known = await _known(connection, hashes)
    new = {digest: texts for digest, texts in zip(hashes, commands, strict=True) if digest not in known}
    if new:
        rows = [
            {**{name: texts[name] for name in COMMAND_TEXTS}, "hash": digest, "used_ms": at_ms}
            for digest, texts in new.items()
        ]
        await insert_new(connection, command, rows)
        made = await _known(connection, list(new))
        tokens = [
            {"word": token, "command": made[digest][0]}
            for digest, texts in new.items()
            for token in search_tokens(texts)
        ]
        await insert_new(connection, command_word, tokens)
        known |= made
    stale = sorted({number for number, used_ms in known.values() if used_ms < at_ms - DAY_MS})
    if stale:
        await connection.execute(update(command).where(command.c.id.in_(stale)).values(used_ms=at_ms))
    return [known[digest][0] for digest in hashes]


async def _known(connection: AsyncConnection, hashes: Sequence[bytes]) -> dict[bytes, tuple[int, int]]:
    """Hash to (number, used_ms)."""
    wanted = sorted(set(hashes))
    found: dict[bytes, tuple[int, int]] = {}
    for part in chunks(wanted):
        rows = await connection.execute(
            select(command.c.hash, command.c.id, command.c.used_ms).where(command.c.hash.in_(part))
        )
        found.update({bytes(row.hash): (row.id, row.used_ms) for row in rows})
    return found


async def unused_commands(connection: AsyncConnection, before_ms: int, limit: int) -> list[int]:
    """Commands that no image refers to and that were not used since `before_ms`."""
    used = exists().where(image.c.command == command.c.id)
    wanted = select(command.c.id).where(command.c.used_ms < before_ms, ~used).limit(limit)
    return [int(number) for number in (await connection.execute(wanted)).scalars()]


async def delete_commands(connection: AsyncConnection, numbers: Sequence[int]) -> None:
    """Deletes commands with their search tokens, except those that came into use meanwhile."""
    used = {
        int(number)
        for number in (
            await connection.execute(select(image.c.command).where(image.c.command.in_(numbers)).distinct())
        ).scalars()
    }
    left = [number for number in numbers if number not in used]
    if left:
        await connection.execute(delete(command_word).where(command_word.c.command.in_(left)))
        await connection.execute(delete(command).where(command.c.id.in_(left)))
