"""Hosts and the keys that they trust, from the command line."""

from tukur.hub.auth.service import now_ms
from tukur.hub.console.console import Console
from tukur.hub.orders.key import OrderKey
from tukur.hub.store.control.identity_conflicts import IdentityConflictRow
from tukur.hub.store.store import HostRow


class HostConsole(Console):
    """Every method raises StoreError."""

    async def all(self) -> list[HostRow]:
        """Every host, by name."""
        async with self.open_store() as store:
            return await store.hosts()

    async def revoke(self, host_id: str) -> bool:
        """Ends the host's access; False: there is no such host."""
        async with self.open_store() as store:
            known = await store.control.enrolments.revoke(host_id, now_ms())
            await self._audit(store, "host.revoke", host_id, known=known)
            return known

    async def change(self, host_id: str, changed: dict[str, object]) -> bool:
        """Sets columns of a host; False: there is no such host."""
        async with self.open_store() as store:
            known = await store.control.enrolments.change(host_id, **changed)
            await self._audit(store, "host.change", host_id, known=known, **changed)
            return known

    async def identity_conflicts(self) -> list[IdentityConflictRow]:
        """Every machine that connected with another one's key and waits for a decision."""
        async with self.open_store() as store:
            return await store.control.identity_conflicts.pending()

    async def release(self, host_id: str, boot_id: str | None) -> bool:
        """Decides which machine is the host; see ``IdentityConflicts.release``."""
        async with self.open_store() as store:
            known = await store.control.identity_conflicts.release(host_id, boot_id)
            await self._audit(store, "host.release", host_id, known=known, boot_id=boot_id)
            return known


class KeyConsole(Console):
    """Every method raises StoreError."""

    async def rotate_order_key(self) -> None:
        """Replaces the order key by a new one, signed by the old one."""
        key = OrderKey(self.data_dir)
        async with self.open_store() as store:
            before = key.public.hex()
            key.rotate()
            await self._audit(store, "order_key.rotate", key.public.hex(), before=before)

    async def audit_authority(self, action: str) -> None:
        """Logs that the hub's own certificate authority was rotated or retired."""
        async with self.open_store() as store:
            await self._audit(store, f"ca.{action}", "")
