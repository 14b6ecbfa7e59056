"""Base class of what the command line does with a hub's data, whether the hub runs or not."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from tukur.hub.audit.log import DONE, AuditLog, audit_key, local_user
from tukur.hub.auth.service import Auth
from tukur.hub.bus import Bus
from tukur.hub.store.backends.address import ServerAddress
from tukur.hub.store.store import Store


class Console:
    """One hub's store, opened for each call. Every method raises StoreError."""

    def __init__(self, data_dir: Path, server: ServerAddress | None = None) -> None:
        """`server`: the database server; None: the database in the data directory."""
        self.data_dir = data_dir
        self.server = server

    @contextlib.asynccontextmanager
    async def open_store(self) -> AsyncIterator[Store]:
        """Opens the store for the duration of the block."""
        store = await Store.open(self.data_dir, self.server)
        try:
            yield store
        finally:
            await store.close()

    @contextlib.asynccontextmanager
    async def _auth(self) -> AsyncIterator[tuple[Store, Auth]]:
        async with self.open_store() as store:
            # Nobody subscribes here: a running hub is notified by a signal.
            yield store, Auth(store.control, Bus())

    def _audit_log(self, store: Store) -> AuditLog:
        return AuditLog(store.control.audit, self.data_dir, audit_key(self.data_dir))

    async def _audit(
        self, store: Store, action: str, target: str, *, known: bool = True, **detail: Any
    ) -> None:
        log = self._audit_log(store)
        await log.add(local_user(), action, target, DONE if known else "unknown", **detail)
