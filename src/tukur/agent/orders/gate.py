"""Checks an order before it is carried out: nothing of it is decoded before its signature is verified."""

import time

from tukur.protocol import auth, messages
from tukur.protocol.errors import UNREADABLE
from tukur.protocol.messages import OrderBody

_SKEW_NS = 5_000_000_000
"""How far in the future an order may have been issued: the clocks of hub and host differ."""


class RefusedError(Exception):
    """The order will not be carried out. `code` is stable, `detail` a sentence."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class OrderGate:
    """Accepts an order once, before it expires, if it is for this host and signed by the hub's order key."""

    def __init__(self, host_id: str, boot_id: str, order_key: bytes) -> None:
        self._host_id = host_id
        self._boot_id = boot_id
        self._order_key = order_key
        self._since_wall_ns = time.time_ns()
        self._used: dict[bytes, int] = {}

    def follow(self, order_key: bytes) -> None:
        """Accepts orders signed by this key from now on, and by no other."""
        self._order_key = order_key

    def check(self, order: messages.Order, wall_ns: int) -> OrderBody:
        """The body of an accepted order. Raises RefusedError; the signature is verified before decoding."""
        if not auth.verify(self._order_key, auth.order_text(order.body), order.signature):
            raise RefusedError("bad_signature", "the order is not signed by this hub's order key")
        try:
            body: OrderBody = messages.order_body.decode(order.body)
        except UNREADABLE as error:
            raise RefusedError("bad_order", str(error)) from error
        if body.host_id != self._host_id:
            raise RefusedError("other_host", f"the order is for host {body.host_id}")
        if body.target.boot_id != self._boot_id:
            raise RefusedError("other_boot", f"the process ran in boot {body.target.boot_id}")
        self._check_time(body, wall_ns)
        self._use(body, wall_ns)
        return body

    def _check_time(self, body: OrderBody, wall_ns: int) -> None:
        if wall_ns > body.expires_wall_ns:
            late = (wall_ns - body.expires_wall_ns) / 1e9
            raise RefusedError("expired", f"the order expired {late:.1f} s ago by this host's clock")
        if body.issued_wall_ns > wall_ns + _SKEW_NS:
            raise RefusedError("from_the_future", "the order was issued later than now by this host's clock")
        # Which nonces were used before this agent started is not known: such an order is refused.
        if body.issued_wall_ns < self._since_wall_ns - _SKEW_NS:
            raise RefusedError("stale", "the order was issued before this agent started")

    def _use(self, body: OrderBody, wall_ns: int) -> None:
        self._used = {nonce: expires for nonce, expires in self._used.items() if expires >= wall_ns}
        if body.nonce in self._used:
            raise RefusedError("repeated", "the order was already carried out")
        self._used[body.nonce] = body.expires_wall_ns
