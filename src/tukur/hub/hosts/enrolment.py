"""The hub's side of enrolment: joining, admission of known hosts, key rotation."""

import logging
import time
import uuid

from tukur.hub.audit.log import AuditLog
from tukur.hub.auth.identity import hash_of
from tukur.hub.auth.limits import FailureLimit
from tukur.hub.cloud.api import GoogleUnavailableError
from tukur.hub.cloud.identity import IdentityRefusedError, Instance
from tukur.hub.cloud.joining import InstanceJoins
from tukur.hub.orders.key import OrderKey
from tukur.hub.store.control.enrolment import Enrolments
from tukur.hub.store.control.instances import InstanceRow, Instances
from tukur.hub.tls.authority import der
from tukur.hub.tls.serving import Tls
from tukur.protocol import auth, messages
from tukur.protocol.errors import ProtocolError
from tukur.protocol.hub_side import HubSession
from tukur.text import readable

log = logging.getLogger(__name__)

REVOKED = messages.Refused(
    code="revoked", detail="this host was revoked; `tukur agent join` enrols the machine as a new one"
)
IDENTITY_CONFLICT = messages.Refused(
    code="held",
    detail="another machine is connected with the same key; resolve it by `tukur host release` on the hub",
)
_JOIN_ERRORS = {
    "token_unknown": "unknown join token: it was revoked or belongs to another hub",
    "token_expired": "this join token has expired",
    "token_used_up": "this join token has no uses left",
}


class Enrolment:
    """All methods raise StoreError, and ProtocolError if they refuse."""

    def __init__(
        self,
        enrolments: Enrolments,
        instances: Instances,
        tls: Tls,
        audit: AuditLog,
        order_key: OrderKey,
        instance_joins: InstanceJoins | None = None,
    ) -> None:
        """`instance_joins`: None: virtual machines cannot join by their identity."""
        self._instances = instances
        self._instance_joins = instance_joins
        self._failures = FailureLimit()
        self._enrolments = enrolments
        self._audit = audit
        self._tls = tls
        self._order_key = order_key

    def session(self) -> HubSession:
        """The protocol state of a new connection."""
        return HubSession(self._tls.accepted)

    async def admit(self, session: HubSession, hello: messages.Hello) -> tuple[bytes, str | None]:
        """The welcome for a host that has proved its key, and the boot that it is pinned to; None: any."""
        known = await self._enrolments.key(hello.host_id)
        welcome = None if known is None else session.admit(known.public, time.time_ns())
        if known is None or welcome is None:
            raise _not_admitted()
        if known.revoked:
            raise ProtocolError(REVOKED.code, REVOKED.detail)
        return welcome, known.only_boot

    def authorities(self, host_id: str) -> messages.Authorities | None:
        """The trust anchors for a host; None: it uses the CAs of its system."""
        certificates = [der(root) for root in self._tls.roots]
        if not certificates:
            return None
        text = auth.authorities_text(host_id, certificates)
        return messages.Authorities(
            certificates=certificates, signature=auth.sign(self._order_key.secret, text)
        )

    def order_keys(self) -> messages.OrderKeys | None:
        """The signed succession that leads agents to the current order key; None: it was never rotated."""
        succession = self._order_key.succession
        return messages.OrderKeys(succession=succession) if succession else None

    async def join(self, session: HubSession, join: messages.Join, address: str) -> messages.Joined:
        """Enrols a machine that has a join token."""
        self._check_limit(address)
        if not session.joins(join):
            raise _unsigned()
        host_id = str(uuid.uuid4())
        refusal = await self._enrolments.join(
            hash_of(join.secret),
            host_id,
            join.public_key,
            _name(join),
            time.time_ns() // 1_000_000,
        )
        if refusal is not None:
            self._failures.record_failure(address)
            await self._audit.add("", "host.join", _name(join), refusal, address)
            log.warning("refused the join of %r at %s: %s", _name(join), address, refusal)
            raise ProtocolError(refusal, _JOIN_ERRORS[refusal])
        await self._audit.add(f"host:{host_id}", "host.join", host_id, origin=address, name=_name(join))
        log.info("%r at %s joined as host %s", _name(join), address, host_id)
        return messages.Joined(host_id=host_id, order_key=self._order_key.public)

    def _check_limit(self, address: str) -> None:
        wait_s = self._failures.wait_s(address)
        if wait_s > 0:
            raise ProtocolError("too_many_tries", f"too many failed joins; try again in {wait_s:.0f} s")

    async def join_instance(
        self, session: HubSession, join: messages.InstanceJoin, address: str
    ) -> messages.Joined:
        """Enrols a virtual machine of Google by its instance identity token.

        Why it is refused is in the audit log alone: a stranger need not know what the hub checks.
        """
        self._check_limit(address)
        if not session.joins_by_instance(join):
            raise _unsigned()
        try:
            instance, group = await self._examine(join.token, session.audience(join))
            host_id = await self._enrol(instance, group, join.public_key)
        except GoogleUnavailableError as error:
            self._failures.record_failure(address)
            await self._refused(join, address, "google_unavailable", str(error))
            raise ProtocolError(
                "google_unavailable", "the hub could not ask Google about this machine; try again"
            ) from error
        except IdentityRefusedError as error:
            self._failures.record_failure(address)
            await self._refused(join, address, error.reason, str(error))
            raise ProtocolError(
                "identity_refused", "the hub does not accept this machine; its audit log says why"
            ) from error
        await self._audit.add(
            *(f"host:{host_id}", "host.join", host_id),
            origin=address,
            name=instance.name,
            instance_id=instance.instance_id,
            group=group,
        )
        log.info("instance %s (%s) joined as host %s", instance.name, instance.instance_id, host_id)
        return messages.Joined(host_id=host_id, order_key=self._order_key.public)

    async def _examine(self, token: str, audience: str) -> tuple[Instance, str]:
        if self._instance_joins is None:
            raise IdentityRefusedError(
                "google_off", "a join by an identity token; google-project is not set on this hub"
            )
        return await self._instance_joins.examine(token, audience)

    async def _enrol(self, instance: Instance, group: str, public: bytes) -> str:
        """The new host's ID. Raises IdentityRefusedError where the instance has joined."""
        row = InstanceRow(instance.instance_id, instance.name, group, instance.zone)
        now_ms = time.time_ns() // 1_000_000
        host_id = await self._instances.enrol(str(uuid.uuid4()), public, row, now_ms)
        if host_id is None:
            raise IdentityRefusedError(
                "instance_joined",
                f"instance {instance.name} ({instance.instance_id}) has joined already, with another key",
            )
        return host_id

    async def _refused(self, join: messages.InstanceJoin, address: str, reason: str, why: str) -> None:
        await self._audit.add("", "host.join", _name(join), reason, address, why=why)
        log.warning("refused the join of %r at %s: %s (%s)", _name(join), address, why, reason)

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


def _unsigned() -> ProtocolError:
    return ProtocolError("bad_signature", "the join request is not signed by the key that it contains")


def _not_admitted() -> ProtocolError:
    # The same message for an unknown host and a wrong key: it must not reveal which hosts exist.
    return ProtocolError("not_admitted", "this host is not enrolled here, or its key does not match")


def _name(join: messages.Join | messages.InstanceJoin) -> str:
    """What the machine calls itself, as it can be shown and stored."""
    return readable(join.hostname)[:255]
