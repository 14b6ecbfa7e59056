"""Enrolment of machines as hosts, admission of hosts, and the rotation of their keys."""

import logging
import time
import uuid

from tukur.hub.audit.log import AuditLog
from tukur.hub.auth.identity import hash_of
from tukur.hub.auth.limits import FailureLimit
from tukur.hub.orders.key import OrderKey
from tukur.hub.store.control.enrolment import Enrolments
from tukur.hub.tls.authority import der
from tukur.hub.tls.serving import Tls
from tukur.protocol import auth, messages
from tukur.protocol.errors import ProtocolError
from tukur.protocol.hub_side import HubSession

log = logging.getLogger(__name__)

REVOKED = messages.Refused(
    code="revoked", detail="this host was revoked; run `tukur agent join` to enrol its machine again"
)
IDENTITY_CONFLICT = messages.Refused(
    code="held",
    detail="another machine is connected with this host's key; decide with `tukur host release` on the hub",
)
_JOIN_REFUSALS = {
    "token_unknown": "this join token is unknown: revoked, or from another hub",
    "token_expired": "this join token has expired",
    "token_used_up": "this join token has no uses left",
}


class Enrolment:
    """All methods raise StoreError, and ProtocolError where they refuse."""

    def __init__(self, enrolments: Enrolments, tls: Tls, audit: AuditLog, order_key: OrderKey) -> None:
        self._failures = FailureLimit()
        self._enrolments = enrolments
        self._audit = audit
        self._tls = tls
        self._order_key = order_key

    def session(self) -> HubSession:
        """A session for a new connection."""
        return HubSession(self._tls.accepted)

    async def admit(self, session: HubSession, hello: messages.Hello) -> tuple[bytes, str | None]:
        """The welcome for a host that has proved its key, and the only boot it may be of; None: any."""
        known = await self._enrolments.key(hello.host_id)
        welcome = None if known is None else session.admit(known.public, time.time_ns())
        if known is None or welcome is None:
            raise _not_admitted()
        if known.revoked:
            raise ProtocolError(REVOKED.code, REVOKED.detail)
        return welcome, known.only_boot

    def authorities(self, host_id: str) -> messages.Authorities | None:
        """The authorities that a host is to trust; None: those of its system."""
        certificates = [der(root) for root in self._tls.roots]
        if not certificates:
            return None
        text = auth.authorities_text(host_id, certificates)
        return messages.Authorities(
            certificates=certificates, signature=auth.sign(self._order_key.secret, text)
        )

    def order_keys(self) -> messages.OrderKeys | None:
        """The succession that leads agents to the current order key; None: it was never rotated."""
        succession = self._order_key.succession
        return messages.OrderKeys(succession=succession) if succession else None

    async def join(self, session: HubSession, join: messages.Join, address: str) -> messages.Joined:
        """Enrols a machine that has a join token."""
        wait_s = self._failures.wait_s(address)
        if wait_s > 0:
            raise ProtocolError("too_many_tries", f"too many failed joins; try again in {wait_s:.0f} s")
        if not session.joins(join):
            raise ProtocolError("bad_signature", "the join is not signed by its own key")
        host_id = str(uuid.uuid4())
        refusal = await self._enrolments.join(
            hash_of(join.secret), host_id, join.public_key, join.hostname, time.time_ns() // 1_000_000
        )
        if refusal is not None:
            self._failures.failed(address)
            await self._audit.add("", "host.join", join.hostname, refusal, address)
            log.warning("a machine named %r at %s may not join: %s", join.hostname, address, refusal)
            raise ProtocolError(refusal, _JOIN_REFUSALS[refusal])
        await self._audit.add(f"host:{host_id}", "host.join", host_id, origin=address, name=join.hostname)
        log.info("%r at %s has joined as host %s", join.hostname, address, host_id)
        return messages.Joined(host_id=host_id, order_key=self._order_key.public)

    async def rotate(self, session: HubSession, rotate: messages.Rotate) -> messages.Rotated:
        """Replaces a host's key."""
        known = await self._enrolments.key(rotate.host_id)
        if (
            known is None
            or not session.rotates(rotate, known.public)
            or not await self._enrolments.change_key(rotate.host_id, known.public, rotate.public_key)
        ):
            raise _not_admitted()
        await self._audit.add(f"host:{rotate.host_id}", "host.rotate", rotate.host_id)
        log.info("host %s has a new key", rotate.host_id)
        return messages.Rotated()


def _not_admitted() -> ProtocolError:
    # The same message for an unknown host and a wrong key, which must not be told apart.
    return ProtocolError("not_admitted", "this host is not enrolled here, or its key is another")
