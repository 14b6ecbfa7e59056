"""What it costs by the month, from list prices of one day; an estimate, and no offer.

Prices are those of us-central1 in US dollars, as https://cloud.google.com/compute/all-pricing,
https://cloud.google.com/vpc/network-pricing, https://cloud.google.com/nat/pricing and
https://cloud.google.com/secret-manager/pricing list them. What machines cost in other regions, in proportion,
is from https://github.com/Cyclenerd/google-cloud-pricing-cost-calculator, a list made of Google's catalogue.
To bring them up to date, change the tables and `AS_OF`.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from tukur.gcp.declaration import Declaration

AS_OF = "2026-02"
HOURS = 730

# Dollars an hour.
_MACHINES: Mapping[str, float] = {
    "e2-micro": 0.0084,
    "e2-small": 0.0168,
    "e2-medium": 0.0335,
    "e2-standard-2": 0.0670,
    "e2-standard-4": 0.1340,
    "e2-standard-8": 0.2681,
    "e2-highmem-2": 0.0904,
    "e2-highmem-4": 0.1807,
    "e2-highcpu-2": 0.0495,
    "e2-highcpu-4": 0.0989,
    "n2-standard-2": 0.0971,
    "n2-standard-4": 0.1942,
    "n2-standard-8": 0.3885,
    "n2d-standard-2": 0.0845,
    "n2d-standard-4": 0.1690,
}
_REGIONS: Mapping[str, float] = {
    "us-central1": 1.0,
    "us-east1": 1.0,
    "us-east4": 1.126,
    "us-east5": 1.0,
    "us-south1": 1.18,
    "us-west1": 1.0,
    "us-west2": 1.201,
    "us-west3": 1.201,
    "us-west4": 1.126,
    "northamerica-northeast1": 1.101,
    "southamerica-east1": 1.587,
    "southamerica-west1": 1.43,
    "europe-central2": 1.288,
    "europe-north1": 1.101,
    "europe-southwest1": 1.18,
    "europe-west1": 1.1,
    "europe-west2": 1.288,
    "europe-west3": 1.288,
    "europe-west4": 1.101,
    "europe-west6": 1.399,
    "europe-west8": 1.16,
    "europe-west9": 1.16,
    "asia-east1": 1.158,
    "asia-northeast1": 1.282,
    "asia-southeast1": 1.234,
    "australia-southeast1": 1.419,
    "me-west1": 1.1,
}
_DISK_GB_MONTH = 0.10
_ADDRESS_HOUR = 0.005
_NAT_VM_HOUR = 0.0014
_SECRET_MONTH = 0.06


class Cost(NamedTuple):
    """One line of the estimate; dollars a month."""

    what: str
    smallest: float | None
    """With the fewest VMs in the group; None: the price is not in the table."""
    largest: float | None
    """With the most."""


def estimate(declared: Declaration) -> list[Cost]:
    """What is paid for. Traffic and the space of snapshots depend on the use, and are not in it."""
    group, platform = declared.group, declared.platform
    counts = (group.min, group.max)
    disks = platform.boot_disk_gb + platform.data_disk_gb
    lines = [
        _scaled(f"platform VM, {platform.machine}", _machine(platform.machine, declared.region), (1, 1)),
        _scaled(f"disks of the platform, {disks} GB", disks * _DISK_GB_MONTH, (1, 1)),
        _scaled("address", _ADDRESS_HOUR * HOURS, (1, 1)),
        _scaled(
            f"{group.min} to {group.max} VMs, {group.machine}",
            _machine(group.machine, declared.region),
            counts,
        ),
        _scaled(f"their disks, {group.boot_disk_gb} GB each", group.boot_disk_gb * _DISK_GB_MONTH, counts),
        _scaled("NAT, without its traffic", _NAT_VM_HOUR * HOURS, counts),
        _scaled("3 secrets", 3 * _SECRET_MONTH, (1, 1)),
    ]
    return [
        *lines,
        Cost("total", _sum(line.smallest for line in lines), _sum(line.largest for line in lines)),
    ]


def _machine(kind: str, region: str) -> float | None:
    price, factor = _MACHINES.get(kind), _REGIONS.get(region)
    return None if price is None or factor is None else price * factor * HOURS


def _scaled(what: str, price: float | None, counts: tuple[int, int]) -> Cost:
    smallest, largest = (None if price is None else price * count for count in counts)
    return Cost(what, smallest, largest)


def _sum(values: Iterable[float | None]) -> float | None:
    total = 0.0
    for value in values:
        if value is None:
            return None
        total += value
    return total
