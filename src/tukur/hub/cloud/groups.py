"""Which instances the managed instance groups have: one request answers for a whole group."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from tukur.hub.cloud.api import GoogleApi, GoogleUnavailableError, GroupGoneError
from tukur.hub.cloud.settings import GoogleSettings

FRESH_S = 1.0
"""So old an answer may be for the next who joins and is in it: many join at once when a group grows."""
_MAX_PAGES = 50


class ManagedInstance(msgspec.Struct, frozen=True, rename="camel"):
    """One of ``listManagedInstances``."""

    id: str = ""
    """Empty while the instance does not exist, as before it is created anew."""
    name: str = ""
    instance: str = ""
    """Its URL."""
    instance_status: str = ""
    """``RUNNING``, ``STOPPING``, ``SUSPENDED`` and the like; empty while it does not exist."""
    current_action: str = "NONE"
    """What the group is doing with it, such as ``DELETING``."""

    @property
    def own_name(self) -> str:
        """Older answers have it in the URL only."""
        return self.name or self.instance.rpartition("/")[2]


class _Page(msgspec.Struct, rename="camel"):
    managed_instances: list[ManagedInstance] = msgspec.field(default_factory=list)
    next_page_token: str = ""


@dataclass(frozen=True, slots=True)
class Members:
    """What a group has."""

    by_id: Mapping[str, ManagedInstance]
    by_name: Mapping[str, ManagedInstance]

    @classmethod
    def of(cls, found: list[ManagedInstance]) -> "Members":
        """By their IDs and names."""
        return cls({one.id: one for one in found if one.id}, {one.own_name: one for one in found})


@dataclass(slots=True)
class _Cached:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    members: Members | GoogleUnavailableError | None = None
    asked_s: float = 0.0


class Groups:
    """The instance groups of one project. All methods raise GoogleUnavailableError."""

    def __init__(
        self, settings: GoogleSettings, api: GoogleApi, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._api = api
        self._clock = clock
        self._cached: dict[str, _Cached] = {}

    async def group_of(self, instance_id: str) -> tuple[str, ManagedInstance] | None:
        """The configured group that has the instance; None: none has."""
        begun_s = self._clock()
        for group in self._settings.groups:
            found = (await self._recent(group, instance_id, begun_s)).by_id.get(instance_id)
            if found is not None:
                return group, found
        return None

    async def _recent(self, group: str, instance_id: str, begun_s: float) -> Members:
        """An answer that was asked for since `begun_s`, or a fresh one that has the instance.

        At most one request at a time asks for a group: all who wait for it share its answer.
        """
        cached = self._cached.setdefault(group, _Cached())
        async with cached.lock:
            known = cached.members
            age_s = self._clock() - cached.asked_s
            has_it = isinstance(known, Members) and instance_id in known.by_id and age_s <= FRESH_S
            if known is None or not (has_it or cached.asked_s >= begun_s):
                cached.asked_s = self._clock()
                try:
                    known = await self.members(group)
                except GoogleUnavailableError as error:
                    # Shared as an answer is, so that those who wait do not all wait for a timeout in turn.
                    known, cached.asked_s = error, self._clock()
                cached.members = known
            if isinstance(known, GoogleUnavailableError):
                raise known
            return known

    async def members(self, group: str) -> Members:
        """What a group has now; nothing, where the group is gone."""
        url = f"{self._settings.compute_url}/projects/{self._settings.project}/{group}/listManagedInstances"
        found: list[ManagedInstance] = []
        parameters = {"maxResults": "500"}
        try:
            for _ in range(_MAX_PAGES):
                page = await self._api.post(url, parameters, _Page)
                found += page.managed_instances
                if not page.next_page_token:
                    return Members.of(found)
                parameters = {"maxResults": "500", "pageToken": page.next_page_token}
        except GroupGoneError:
            return Members.of([])
        raise GoogleUnavailableError(f"{url}: more than {_MAX_PAGES} pages")
