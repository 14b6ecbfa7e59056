"""What can be known before anything is made: whether the region has what is declared, and room for it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal

from tukur.gcp.client import Client, Json
from tukur.gcp.declaration import Declaration
from tukur.gcp.errors import DeclarationError


def find_warnings(client: Client, declared: Declaration) -> list[str]:
    """What `apply` does nothing about, in lines. Raises CloudError, also for a region that does not exist."""
    return [*check_region(client, declared), *strange_rules(client, declared)]


def check_region(client: Client, declared: Declaration) -> list[str]:
    """What the quotas of the region are too small for, in lines.

    Raises DeclarationError where the region, a zone or a machine type does not exist.
    """
    project, group = f"projects/{declared.project}", declared.group
    region = client.read("compute", f"{project}/regions/{declared.region}")
    if region is None:
        raise DeclarationError(f"there is no region {declared.region} in Google Cloud")
    zones = {address.rpartition("/")[2] for address in region.get("zones", ())}
    for zone in (declared.zone, *group.zones):
        if zone not in zones:
            known = ", ".join(sorted(zones))
            raise DeclarationError(
                f"the region {declared.region} has no zone {zone}; one of {known} expected"
            )
    hub = _cores(client, declared, "platform", declared.zone)
    members = [_cores(client, declared, "group", zone) for zone in group.zones or (declared.zone,)]
    wanted = [(declared.platform.machine, hub), (group.machine, members[0] * group.max)]
    return [*_short_quotas(region, wanted)]


def _cores(client: Client, declared: Declaration, table: Literal["platform", "group"], zone: str) -> int:
    machine = getattr(declared, table).machine
    found = client.read("compute", f"projects/{declared.project}/zones/{zone}/machineTypes/{machine}")
    if found is None:
        raise DeclarationError(f"{table}.machine: the zone {zone} has no machine type {machine}")
    return int(found["guestCpus"])


def _short_quotas(region: Json, wanted: Sequence[tuple[str, int]]) -> Iterator[str]:
    limits = {quota["metric"]: quota["limit"] for quota in region.get("quotas", ())}
    needed: Counter[str] = Counter()
    for machine, cores in wanted:
        # Newer families have a quota of their own, the others share one.
        own = f"{machine.partition('-')[0].upper()}_CPUS"
        needed[own if own in limits else "CPUS"] += cores
    for metric, cores in needed.items():
        if cores > limits.get(metric, cores):
            yield (
                f"the quota {metric} of the region {region['name']} is {limits[metric]:g}; "
                f"{cores} are needed when the group is at its largest"
            )


def strange_rules(client: Client, declared: Declaration) -> list[str]:
    """Firewall rules on the installation's network that tukur did not make, in lines."""
    project = f"projects/{declared.project}"
    network = f"/{project}/global/networks/{declared.name}"
    mine = {f"{declared.name}-https", f"{declared.name}-iap-ssh"}
    rules = client.items(f"{project}/global/firewalls")
    here = {rule["name"] for rule in rules if rule["network"].endswith(network)}
    return [
        f"firewall rule {rule} on the network {declared.name} was not made by tukur; it is left alone"
        for rule in sorted(here - mine)
    ]
