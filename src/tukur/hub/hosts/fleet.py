"""What a person decides about hosts, carried out on the connections that live."""

import asyncio
import logging
import time
from collections.abc import Collection, Mapping

from litestar.exceptions import WebSocketDisconnect

from tukur.hub.bus import RIGHTS_CHANGED, Bus, NobodyThereError, agent_of
from tukur.hub.errors import ProblemError
from tukur.hub.hosts.enrolment import HELD, REVOKED, Enrolment
from tukur.hub.hosts.presence import Presence
from tukur.hub.orders.key import OrderKey
from tukur.hub.store.errors import StoreError
from tukur.hub.store.waists import Control
from tukur.hub.tls.authority import CertificateError
from tukur.hub.tls.serving import Tls
from tukur.protocol import messages

log = logging.getLogger(__name__)

SWEEP_S = 5.0
"""How often what commands changed in the database or on the disk is looked for, unless they say so."""
_TELL_S = 5.0


class Fleet:
    """Decisions reach the database first, then the host's connection."""

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
        self._poked = asyncio.Event()

    async def revoke(self, host_id: str) -> None:
        """The host's key opens nothing any more, and its connection ends. Raises ProblemError, StoreError."""
        if not await self._enrolments.revoke(host_id, time.time_ns() // 1_000_000):
            raise _unknown(host_id)
        log.warning("host %s is revoked", host_id)
        await self._tell(host_id, REVOKED)

    async def change(self, host_id: str, changed: Mapping[str, object]) -> None:
        """Columns of ``store.schema.host`` to their new values. Raises ProblemError, StoreError."""
        if not await self._enrolments.change(host_id, **changed):
            raise _unknown(host_id)

    async def release(self, host_id: str, boot_id: str | None) -> None:
        """Decides which of the machines that have a host's key is the host. Raises ProblemError, StoreError.

        `boot_id`: this boot and no other from now on; None: whichever comes first.
        """
        if not await self._identity_conflicts.release(host_id, boot_id):
            raise ProblemError(409, "nobody_held", f"no second machine is held for host {host_id[:100]!r}")
        await self._part(host_id, boot_id)

    async def _part(self, host_id: str, boot_id: str | None) -> None:
        state = self._presence.get(host_id)
        if boot_id is not None and state is not None and state.online and state.facts.boot_id != boot_id:
            log.warning("host %s is boot %s now: the connection of another one ends", host_id, boot_id)
            await self._tell(host_id, HELD)

    def poke(self) -> None:
        """A command changed something: it is looked at now."""
        self._poked.set()

    async def run(self) -> None:
        """Carries out what commands changed beside this process, for ever."""
        while True:
            try:
                async with asyncio.timeout(SWEEP_S):
                    await self._poked.wait()
                    self._bus.publish(RIGHTS_CHANGED, None)
            except TimeoutError:
                pass
            self._poked.clear()
            try:
                await self._sweep()
            except (StoreError, CertificateError) as error:
                log.error("what changed of hosts and certificates cannot be looked at: %s", error)

    async def _sweep(self) -> None:
        online = self._presence.all_online()
        for host_id in await self._enrolments.revoked() & online:
            log.warning("host %s was revoked by a command", host_id)
            await self._tell(host_id, REVOKED)
        for host_id, boot_id in (await self._identity_conflicts.only_boots()).items():
            await self._part(host_id, boot_id)
        if await asyncio.to_thread(self._order_key.refresh):
            log.warning("the order key is another; agents are told")
            await self._follow(online)
        trusted = self._tls.roots
        await asyncio.to_thread(self._tls.refresh)
        if self._tls.roots == trusted:
            return
        for host_id in online:
            authorities = self._enrolment.authorities(host_id)
            if authorities is not None:
                await self._tell(host_id, authorities)

    async def _follow(self, online: Collection[str]) -> None:
        keys = self._enrolment.order_keys()
        for host_id in online:
            state = self._presence.get(host_id)
            if keys is not None and state is not None and state.follows:
                await self._tell(host_id, keys)

    async def _tell(self, host_id: str, message: messages.FromHub) -> None:
        try:
            await self._bus.request(agent_of(host_id), message, seconds=_TELL_S)
        except (NobodyThereError, TimeoutError, WebSocketDisconnect, RuntimeError):
            log.debug("host %s is not there to be told", host_id)


def _unknown(host_id: str) -> ProblemError:
    return ProblemError(404, "host_unknown", f"there is no host {host_id[:100]!r}")
