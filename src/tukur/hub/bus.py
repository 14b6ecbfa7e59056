"""How hub parts reach agents and browsers: publish, subscribe, request. In this process for now.

No part keeps a reference to a connection, so that the replica that holds an agent's connection need
not be the one that a browser is on.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

Responder = Callable[[Any], Awaitable[Any]]


class NobodyThereError(Exception):
    """Nobody answers at this address."""


class DeliveryUnknownError(NobodyThereError):
    """The connection ended while the message was handed to it: it may have arrived, or not."""


class Subscription:
    """What was published since the subscription began, in order.

    `size` bounds it: when it is full, all that waits is dropped and counted, and the newest kept. A
    viewer of differences is better served by none than by the oldest. 0: never drops.
    """

    def __init__(self, size: int) -> None:
        self._items: asyncio.Queue[Any] = asyncio.Queue()
        self._size = size
        self.dropped = 0

    def put(self, item: Any) -> None:
        """Adds one item; never waits."""
        if self._size and self._items.qsize() >= self._size:
            while not self._items.empty():
                self._items.get_nowait()
                self.dropped += 1
        self._items.put_nowait(item)

    async def get(self) -> Any:
        """The next item, waiting for it."""
        return await self._items.get()


class Bus:
    """Topics are text such as ``frames.<host_id>``; addresses such as ``agent.<host_id>``."""

    def __init__(self) -> None:
        self._topics: defaultdict[str, list[Subscription]] = defaultdict(list)
        self._responders: dict[str, Responder] = {}

    def publish(self, topic: str, item: Any) -> None:
        """Gives the item to everyone subscribed right now."""
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
        """What is published on any of the topics while entered."""
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
        """Answers requests at the address while entered; a newer responder takes it over."""
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
    """Topic: True when the host's agent connects, False when it is gone."""
    return f"status.{host_id}"


def news_of(order_id: str) -> str:
    """Topic: an order, each time that something new is known of it."""
    return f"order.{order_id}"


def agent_of(host_id: str) -> str:
    """Address: takes a message for the agent; answers an Inspect with its Inspection, else None."""
    return f"agent.{host_id}"


RIGHTS_CHANGED = "rights_changed"
"""Topic: None, whenever a session, token or role may hold no more."""
ORDER_RESULTS = "order_results"
"""Topic: (host_id, messages.OrderResult), as agents send them."""
