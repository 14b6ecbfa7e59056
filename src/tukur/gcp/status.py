"""The VMs of the group, as Google lists them."""

from typing import Any, NamedTuple

from tukur.gcp.client import Client
from tukur.gcp.plan import Plan


class Member(NamedTuple):
    """A VM of the group."""

    name: str
    zone: str
    status: str
    """Google's word, ``RUNNING``; empty while it is not there yet."""
    action: str
    """What the group is doing with it, ``NONE`` or ``CREATING``."""


def members(client: Client, plan: Plan) -> list[Member]:
    """Those of the group; none where there is no group yet. Raises CloudError."""
    if not any(step.resource.title == "instance group" and step.actual for step in plan.steps):
        return []
    found: list[Member] = []
    query: dict[str, Any] = {}
    while True:
        page = client.call("POST", "compute", f"{plan.desired.group}/listManagedInstances", **query)
        for one in page.get("managedInstances", ()):
            # projects/P/zones/Z/instances/NAME
            zone, _, name = one["instance"].split("/")[-3:]
            found.append(Member(name, zone, one.get("instanceStatus", ""), one.get("currentAction", "NONE")))
        if "nextPageToken" not in page:
            return sorted(found)
        query = {"pageToken": page["nextPageToken"]}
