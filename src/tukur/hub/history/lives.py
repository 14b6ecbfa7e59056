"""Lives found by what they ran, over all hosts."""

import re
from collections.abc import Sequence
from typing import Any

from tukur.hub.errors import ProblemError
from tukur.hub.history.totals import seconds
from tukur.hub.models.history import Life, Lives
from tukur.hub.store.record.lives import LifeQuery
from tukur.hub.store.search_tokens import split
from tukur.hub.store.waists import Facts

MAX_TERMS = 8


def parse_terms(text: str) -> tuple[str, ...]:
    """What a search text asks for, piece by piece. Raises ProblemError (400)."""
    terms = tuple(dict.fromkeys(text.split()))
    if len(terms) > MAX_TERMS:
        raise ProblemError(400, "bad_search", f"q has {len(terms)} terms; {MAX_TERMS} at most expected")
    for term in terms:
        if not split(term):
            raise ProblemError(
                400, "bad_search", f"q: {term[:60]!r} has neither letter nor digit; one of them expected"
            )
    return terms


def parse_cursor(text: str) -> tuple[int, ...]:
    """The place that ``next`` of an answer names. Raises ProblemError (400)."""
    if not re.fullmatch(r"\d{1,16}(-\d{1,19}){4}", text):
        raise ProblemError(400, "bad_cursor", f"after={text[:60]!r}; the `next` of an answer expected")
    return tuple(min(int(part), 2**63 - 1) for part in text.split("-"))


async def lives(facts: Facts, query: LifeQuery, limit: int) -> Lives:
    """The newest that fit."""
    found = await facts.lives.find(query, limit + 1)
    rows = found[:limit]
    texts = await facts.lives.texts([row.command for row in rows])
    owners = await facts.lives.owners([row.boot for row in rows])
    ends = await _ends(facts, rows)
    entries = [
        _life(row, texts[row.command], owners[row.boot], ends.get((row.boot, row.start_ns, row.pid)))
        for row in rows
    ]
    last = rows[-1] if len(found) > limit else None
    place = (last.since_ms, last.boot, last.start_ns, last.pid, last.since_ns) if last is not None else None
    return Lives(lives=entries, next="-".join(map(str, place)) if place else None)


async def _ends(facts: Facts, rows: Sequence[Any]) -> dict[tuple[int, int, int], Any]:
    starts: dict[int, list[int]] = {}
    for row in rows:
        starts.setdefault(row.boot, []).append(row.start_ns)
    return {
        (boot, *key): life
        for boot, wanted in starts.items()
        for key, life in (await facts.lives.rows(boot, wanted)).items()
    }


def _life(row: Any, texts: Any, owner: tuple[str, str, str], life: Any) -> Life:
    host_id, host, boot_id = owner
    ended = bool(life and life.ended)
    return Life(
        host_id=host_id,
        host=host,
        boot_id=boot_id,
        pid=row.pid,
        start_ns=str(row.start_ns),
        name=texts.name,
        cmdline=texts.cmdline,
        exe=texts.exe,
        user=texts.user,
        unit=texts.unit,
        container=texts.container,
        pod=texts.pod,
        slice=texts.slice,
        since_ms=row.since_ms,
        last_ms=life.last_ms if ended else None,
        ended=ended,
        exit_code=life.exit_code if ended else None,
        exit_signal=life.exit_signal if ended else None,
        cause=life.cause if ended else "",
        exact=bool(ended and life.exact),
        cpu_s=seconds(life.cpu_ns) if ended else None,
        rss_peak=life.rss_peak if ended else None,
    )
