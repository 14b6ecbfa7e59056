"""Message bus of the hub: publish/subscribe and request/response, within this process.

Components hold no reference to connections, so that agents and browsers may later be connected to
different replicas.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

Responder = Callable[[Any], Awaitable[Any]]


class NobodyThereError(Exception):
    """There is no responder at this address."""


class DeliveryUnknownError(NobodyThereError):
    """The connection ended while the message was handed to it: it may have arrived, or not."""


class Subscription:
    """Receives published items in order.

    `size` limits the queue; 0: unlimited. When it is full, all queued items are dropped and counted and only
    the newest is kept: difference frames are useless without their predecessors.
    """

    def __init__(self, size: int) -> None:
        self._items: asyncio.Queue[Any] = asyncio.Queue()
        self._size = size
        self.dropped = 0

    def put(self, item: Any) -> None:
        """Adds an item without waiting."""
        if self._size and self._items.qsize() >= self._size:
            while not self._items.empty():
                self._items.get_nowait()
                self.dropped += 1
        self._items.put_nowait(item)

    async def get(self) -> Any:
        """Waits for the next item."""
        return await self._items.get()

    def empty(self) -> bool:
        """Whether :meth:`get` would wait."""
        return self._items.empty()


class Bus:
    """Topics are strings such as ``frames.<host_id>``; addresses such as ``agent.<host_id>``."""

    def __init__(self) -> None:
        self._topics: defaultdict[str, list[Subscription]] = defaultdict(list)
        self._responders: dict[str, Responder] = {}

    def publish(self, topic: str, item: Any) -> None:
        """Delivers the item to all current subscribers."""
        for subscription in self._topics.get(topic, ()):
            subscription.put(item)

    def attach(self, *topics: str) -> Subscription:
        """What is published on any of the topics from now on, for as long as the bus lives."""
        subscription = Subscription(0)
        for topic in topics:
            self._topics[topic].append(subscription)
        return subscription

    @contextlib.asynccontextmanager
    async def subscribe(self, *topics: str, size: int = 0) -> AsyncIterator[Subscription]:
        """Subscribes to all of the topics while entered."""
        subscription = Subscription(size)
        for topic in topics:
            self._topics[topic].append(subscription)
        try:
            yield subscription
        finally:
            for topic in topics:
                self._topics[topic].remove(subscription)
                if not self._topics[topic]:
                    del self._topics[topic]

    @contextlib.contextmanager
    def respond(self, address: str, responder: Responder) -> Any:
        """Answers requests at the address while entered; a newer responder replaces it."""
        self._responders[address] = responder
        try:
            yield
        finally:
            if self._responders.get(address) is responder:
                del self._responders[address]

    async def request(self, address: str, message: Any, seconds: float) -> Any:
        """The responder's answer. Raises NobodyThereError, TimeoutError.

        After a DeliveryUnknownError or a TimeoutError the message may arrive all the same; after another
        NobodyThereError nothing was sent.
        """
        responder = self._responders.get(address)
        if responder is None:
            raise NobodyThereError(address)
        async with asyncio.timeout(seconds):
            return await responder(message)


def frames_of(host_id: str) -> str:
    """Topic: live frames of a host, bytes."""
    return f"frames.{host_id}"


def status_of(host_id: str) -> str:
    """Topic: True when the host's agent connects, False when it disconnects."""
    return f"status.{host_id}"


def news_of(order_id: str) -> str:
    """Topic: an order, whenever its state changes."""
    return f"order.{order_id}"


def agent_of(host_id: str) -> str:
    """Address: forwards a message to the agent; responds to Inspect with an Inspection, else None."""
    return f"agent.{host_id}"


RIGHTS_CHANGED = "rights_changed"
"""Topic: None, whenever a session, token or role may have been revoked or changed."""
SILENCES = "silences"
"""Topic: (host_id, None), whenever the connection of a host's agent has ended."""
GOODBYES = "goodbyes"
"""Topic: (host_id, messages.Goodbye), as agents send them."""
ORDER_RESULTS = "order_results"
"""Topic: (host_id, messages.OrderResult), as agents send them."""
