"""A change that is made within another's transaction, so that both are stored or neither is."""

from collections.abc import Awaitable, Callable

from sqlalchemy.ext.asyncio import AsyncConnection

Change = Callable[[AsyncConnection], Awaitable[bool]]
"""Makes the change; False: its condition does not hold, and nothing was changed."""
