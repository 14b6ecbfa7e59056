"""Which virtual machines may join: those that a configured instance group of the project has."""

import asyncio

from tukur.hub.cloud.api import GoogleUnavailableError
from tukur.hub.cloud.certificates import GoogleKeys
from tukur.hub.cloud.groups import Groups
from tukur.hub.cloud.identity import IdentityRefusedError, IdentityVerifier, Instance
from tukur.hub.cloud.settings import GoogleSettings

AT_ONCE = 16
"""Joins that are examined at once; the others wait."""
WAIT_S = 20.0
_LEAVING = frozenset({"DELETING", "ABANDONING"})


class InstanceJoins:
    """Examines who wants to join by an instance identity token."""

    def __init__(self, settings: GoogleSettings, groups: Groups) -> None:
        self._verifier = IdentityVerifier(GoogleKeys(settings.certs_url), settings.project)
        self._groups = groups
        self._examined = asyncio.Semaphore(AT_ONCE)

    async def examine(self, token: str, audience: str) -> tuple[Instance, str]:
        """(the instance, the group that has it). Raises IdentityRefusedError, GoogleUnavailableError."""
        try:
            async with asyncio.timeout(WAIT_S), self._examined:
                instance = await self._verifier.verify(token, audience)
                return instance, await self._group(instance)
        except TimeoutError as error:
            raise GoogleUnavailableError(f"not examined within {WAIT_S:.0f} s") from error

    async def _group(self, instance: Instance) -> str:
        found = await self._groups.group_of(instance.instance_id)
        if found is None:
            raise IdentityRefusedError(
                "not_in_group", f"no configured instance group has {instance.name} ({instance.instance_id})"
            )
        group, managed = found
        if managed.current_action in _LEAVING:
            raise IdentityRefusedError(
                "not_in_group", f"{instance.name} is leaving its group: {managed.current_action}"
            )
        return group
