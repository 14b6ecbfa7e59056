"""Applies decisions about hosts (revocation, identity conflicts, keys) to their open connections."""

import asyncio
import logging
import time
from collections.abc import Collection, Mapping

from litestar.exceptions import WebSocketDisconnect

from tukur.hub.bus import RIGHTS_CHANGED, Bus, NobodyThereError, agent_of
from tukur.hub.errors import ProblemError
from tukur.hub.hosts.enrolment import IDENTITY_CONFLICT, REVOKED, Enrolment
from tukur.hub.hosts.presence import Presence
from tukur.hub.orders.key import OrderKey
from tukur.hub.store.errors import StoreError
from tukur.hub.store.waists import Control
from tukur.hub.tls.authority import CertificateError
from tukur.hub.tls.serving import Tls
from tukur.protocol import messages

log = logging.getLogger(__name__)

SWEEP_S = 5.0
"""How often changes that commands made in the database or on disk are looked for without a signal."""
_SEND_S = 5.0


class Fleet:
    """Stores each decision first, then applies it to the host's connection."""

    def __init__(
        self,
        control: Control,
        bus: Bus,
        presence: Presence,
        enrolment: Enrolment,
        tls: Tls,
        order_key: OrderKey,
    ) -> None:
        self._enrolments = control.enrolments
        self._identity_conflicts = control.identity_conflicts
        self._bus = bus
        self._presence = presence
        self._enrolment = enrolment
        self._tls = tls
        self._order_key = order_key
        self._changed = asyncio.Event()

    async def revoke(self, host_id: str) -> None:
        """Revokes a host's key and ends its connection. Raises ProblemError, StoreError."""
        if not await self._enrolments.revoke(host_id, time.time_ns() // 1_000_000):
            raise _unknown(host_id)
        log.warning("host %s is revoked", host_id)
        await self._send(host_id, REVOKED)

    async def change(self, host_id: str, changed: Mapping[str, object]) -> None:
        """Sets columns of ``store.schema.host``. Raises ProblemError, StoreError."""
        if not await self._enrolments.change(host_id, **changed):
            raise _unknown(host_id)

    async def release(self, host_id: str, boot_id: str | None) -> None:
        """Decides which of the machines with the same key is the host. Raises ProblemError, StoreError.

        `boot_id`: the only boot that is admitted from now on; None: the one that connects first.
        """
        if not await self._identity_conflicts.release(host_id, boot_id):
            raise ProblemError(
                409, "nobody_held", f"there is no identity conflict for host {host_id[:100]!r}"
            )
        await self._disconnect_other_boot(host_id, boot_id)

    async def _disconnect_other_boot(self, host_id: str, boot_id: str | None) -> None:
        state = self._presence.get(host_id)
        if boot_id is not None and state is not None and state.online and state.facts.boot_id != boot_id:
            log.warning(
                "host %s is boot %s from now on: the connection of another boot ends", host_id, boot_id
            )
            await self._send(host_id, IDENTITY_CONFLICT)

    def poke(self) -> None:
        """Looks for changes now: a command has made one."""
        self._changed.set()

    async def run(self) -> None:
        """Applies what commands change from other processes, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(SWEEP_S):
                    await self._changed.wait()
                    self._bus.publish(RIGHTS_CHANGED, None)
            except TimeoutError:
                pass
            self._changed.clear()
            try:
                await self._sweep()
            except (StoreError, CertificateError) as error:
                log.error("cannot check for changes of hosts and certificates: %s", error)

    async def _sweep(self) -> None:
        online = self._presence.all_online()
        for host_id in await self._enrolments.revoked() & online:
            log.warning("host %s was revoked by a command", host_id)
            await self._send(host_id, REVOKED)
        for host_id, boot_id in (await self._identity_conflicts.only_boots()).items():
            await self._disconnect_other_boot(host_id, boot_id)
        if await asyncio.to_thread(self._order_key.refresh):
            log.warning("the order key was rotated; it is sent to the agents")
            await self._send_order_keys(online)
        trusted = self._tls.roots
        await asyncio.to_thread(self._tls.refresh)
        if self._tls.roots == trusted:
            return
        for host_id in online:
            authorities = self._enrolment.authorities(host_id)
            if authorities is not None:
                await self._send(host_id, authorities)

    async def _send_order_keys(self, online: Collection[str]) -> None:
        keys = self._enrolment.order_keys()
        for host_id in online:
            state = self._presence.get(host_id)
            if keys is not None and state is not None and state.follows:
                await self._send(host_id, keys)

    async def _send(self, host_id: str, message: messages.FromHub) -> None:
        try:
            await self._bus.request(agent_of(host_id), message, seconds=_SEND_S)
        except (NobodyThereError, TimeoutError, WebSocketDisconnect, RuntimeError):
            log.debug("host %s is not connected; it gets this when it connects", host_id)


def _unknown(host_id: str) -> ProblemError:
    return ProblemError(404, "host_unknown", f"there is no host {host_id[:100]!r}")
