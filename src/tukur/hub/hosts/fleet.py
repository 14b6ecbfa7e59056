"""Applies administrative changes of hosts to their connections."""

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
"""How often the hub looks for changes by commands that did not notify it."""
_SEND_TIMEOUT_S = 5.0


class Fleet:
    """Changes are written to the database first, then sent to the host."""

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
        self._wake = asyncio.Event()
        self._sent_roots = tls.roots

    async def revoke(self, host_id: str) -> None:
        """Rejects the host's key from now on and ends its connection. Raises ProblemError, StoreError."""
        if not await self._enrolments.revoke(host_id, time.time_ns() // 1_000_000):
            raise _unknown(host_id)
        log.warning("host %s was revoked", host_id)
        await self._send(host_id, REVOKED)

    async def change(self, host_id: str, changed: Mapping[str, object]) -> None:
        """Sets columns of ``store.schema.host``. Raises ProblemError, StoreError."""
        if not await self._enrolments.change(host_id, **changed):
            raise _unknown(host_id)

    async def release(self, host_id: str, boot_id: str | None) -> None:
        """Resolves an identity conflict: decides which machine is the host. Raises ProblemError, StoreError.

        `boot_id`: only this boot is admitted; None: whichever machine connects first.
        """
        if not await self._identity_conflicts.release(host_id, boot_id):
            raise ProblemError(409, "nobody_held", f"host {host_id[:100]!r} has no identity conflict")
        await self._end_other_boot(host_id, boot_id)

    async def _end_other_boot(self, host_id: str, boot_id: str | None) -> None:
        state = self._presence.get(host_id)
        if boot_id is not None and state is not None and state.online and state.facts.boot_id != boot_id:
            log.warning(
                "host %s is pinned to boot %s: ending the connection of another boot", host_id, boot_id
            )
            await self._send(host_id, IDENTITY_CONFLICT)

    def wake(self) -> None:
        """Looks for changes by commands now."""
        self._wake.set()

    async def run(self) -> None:
        """Applies changes by commands, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(SWEEP_S):
                    await self._wake.wait()
                    self._bus.publish(RIGHTS_CHANGED, None)
            except TimeoutError:
                pass
            self._wake.clear()
            try:
                await self._apply_changes()
            except (StoreError, CertificateError) as error:
                log.error("cannot check for changes of hosts and certificates: %s", error)

    async def _apply_changes(self) -> None:
        online = self._presence.all_online()
        for host_id in await self._enrolments.revoked() & online:
            log.warning("host %s was revoked by a command", host_id)
            await self._send(host_id, REVOKED)
        for host_id, boot_id in (await self._identity_conflicts.only_boots()).items():
            await self._end_other_boot(host_id, boot_id)
        if await asyncio.to_thread(self._order_key.refresh):
            log.warning("the order key was rotated; notifying agents")
            await self._send_order_keys(online)
        await asyncio.to_thread(self._tls.refresh)
        if self._tls.roots == self._sent_roots:
            return
        self._sent_roots = self._tls.roots
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
            await self._bus.request(agent_of(host_id), message, seconds=_SEND_TIMEOUT_S)
        except (NobodyThereError, TimeoutError, WebSocketDisconnect, RuntimeError):
            log.debug("host %s is offline; nothing was sent", host_id)


def _unknown(host_id: str) -> ProblemError:
    return ProblemError(404, "host_unknown", f"there is no host {host_id[:100]!r}")
