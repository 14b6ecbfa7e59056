"""Stores the blocks and gaps that agents send: several in one transaction, acknowledged after its commit."""

import asyncio
import logging
from dataclasses import dataclass, field

import stamina

from tukur.hub.hosts.presence import Presence
from tukur.hub.store.errors import BadBlockError, StoreError
from tukur.hub.store.waists import Facts
from tukur.protocol.messages import Block, Gap

log = logging.getLogger(__name__)

BATCH = 128
"""Blocks in one transaction, at most: one commit costs as much for many as for one."""
GATHER_S = 0.1
"""How long the first waits for others to go with: to each transaction belong some ten statements."""
_RETRY_S = (0.5, 15.0)


@dataclass(slots=True)
class _Waiting:
    host_id: str
    block: Block | Gap
    stored: "asyncio.Future[None]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class IngestWriter:
    """One writer for all agents. What waits is bounded by the agents' windows."""

    def __init__(self, facts: Facts, presence: Presence) -> None:
        self._facts = facts
        self._presence = presence
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue()
        self.fault: StoreError | None = None
        """Why nothing can be stored right now; None: it can."""

    async def put(self, host_id: str, block: Block | Gap) -> None:
        """Returns when the block is committed. Raises BadBlockError where it can never be stored.

        While the store fails (a full disk, say) this waits: the block stays in its agent's spool.
        """
        waiting = _Waiting(host_id, block)
        self._queue.put_nowait(waiting)
        await waiting.stored

    async def run(self) -> None:
        """Stores, for ever."""
        while True:
            batch = [await self._queue.get()]
            if self._queue.qsize() < BATCH:
                await asyncio.sleep(GATHER_S)
            while len(batch) < BATCH and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            # A connection that ended meanwhile waits no more; its agent will send the block again.
            batch = [waiting for waiting in batch if not waiting.stored.done()]
            if batch:
                await self._store_or_split(batch)

    async def _store_or_split(self, batch: list[_Waiting]) -> None:
        """One block that fails unexpectedly must not end the recording of all others."""
        try:
            await self._store_batch(batch)
        except Exception as error:
            if len(batch) > 1:
                for waiting in batch:
                    await self._store_or_split([waiting])
                return
            log.exception("host %s: a block cannot be stored", batch[0].host_id)
            if not batch[0].stored.done():
                reason = f"unexpected error: {type(error).__name__}: {error}"
                batch[0].stored.set_exception(BadBlockError(reason))

    async def _store_batch(self, batch: list[_Waiting]) -> None:
        def is_temporary(error: Exception) -> bool:
            if isinstance(error, StoreError):
                self._report(error, batch)
            return isinstance(error, StoreError)

        results: list[BadBlockError | None] = []
        initial, longest = _RETRY_S
        # Without end: a full disk or a lost server may take hours, and the blocks wait at their agents.
        async for attempt in stamina.retry_context(
            is_temporary, attempts=None, timeout=None, wait_initial=initial, wait_max=longest, wait_jitter=0
        ):
            with attempt:
                results = await self._facts.blocks.put([(w.host_id, w.block) for w in batch])
        if self.fault:
            log.info("the record can be written again")
            self.fault = None
        for waiting, refused in zip(batch, results, strict=True):
            if waiting.stored.done():
                continue
            if refused is None:
                waiting.stored.set_result(None)
            else:
                waiting.stored.set_exception(refused)

    def _report(self, fault: StoreError, batch: list[_Waiting]) -> None:
        if self.fault is None or str(fault) != str(self.fault):
            log.error("the record cannot be written, blocks wait at their agents: %s", fault)
        self.fault = fault
        for host_id in {waiting.host_id for waiting in batch}:
            self._presence.fault(host_id, "hub.store")
