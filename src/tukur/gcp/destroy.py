"""Deletes what was made for an installation, and nothing else."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tukur.gcp.client import Client, Json
from tukur.gcp.declaration import Declaration
from tukur.gcp.desired import Desired
from tukur.gcp.errors import CloudError
from tukur.gcp.plan import older_templates, read_if_enabled
from tukur.gcp.progress import Progress
from tukur.gcp.resources.access import ProjectRoles, ServiceAccount
from tukur.gcp.resources.base import Resource
from tukur.gcp.resources.compute import ComputeResource
from tukur.gcp.resources.project import Metric

_COMPUTE = "compute.googleapis.com"
_READERS = 8


@dataclass(frozen=True, slots=True)
class Removal:
    """What `destroy` does."""

    deleted: Sequence[tuple[Resource, Json]]
    """In the order in which it goes."""
    kept: Sequence[Resource]
    """It holds data."""
    strangers: Sequence[Resource]
    """It has one of our names, and tukur did not make it."""


def find_removal(client: Client, declared: Declaration, *, delete_data: bool) -> Removal:
    """Reads what is there. Changes nothing. Raises CloudError."""
    desired = Desired(declared)
    enabled = set((desired.services().read(client) or {}).get("enabled", ()))
    resources = list(reversed(_ever_declared(desired)))
    with ThreadPoolExecutor(_READERS) as pool:
        actual = list(pool.map(lambda resource: read_if_enabled(client, resource, enabled), resources))
    there = [(one, body) for one, body in zip(resources, actual, strict=True) if body and one.exists(body)]
    strangers = [one for one, body in there if not one.is_ours(body, declared.name)]
    theirs = {one.name for one in strangers if isinstance(one, ServiceAccount)}
    ours = [
        (one, body)
        for one, body in there
        if one not in strangers and not (isinstance(one, ProjectRoles) and one.name in theirs)
    ]
    if _COMPUTE in enabled:
        ours = _with_unlisted(client, desired, ours, delete_data=delete_data)
    kept = [] if delete_data else [one for one, _ in ours if one.holds_data]
    return Removal([(one, body) for one, body in ours if one not in kept], kept, strangers)


def _ever_declared(desired: Desired) -> list[Resource]:
    """Also the metric, which is there if the declaration had `ram-percent` once."""
    resources = desired.all()
    return resources if any(isinstance(one, Metric) for one in resources) else [*resources, desired.metric()]


def _with_unlisted(
    client: Client, desired: Desired, ours: list[tuple[Resource, Json]], *, delete_data: bool
) -> list[tuple[Resource, Json]]:
    """With what has names that no declaration says: templates, and snapshots."""
    templates: list[tuple[Resource, Json]] = [
        (one, one.body)
        for one in [*older_templates(client, desired)]
        if one.name not in {o.name for o, _ in ours}
    ]
    # They go after the group that uses them.
    after = max(
        (index + 1 for index, (one, _) in enumerate(ours) if one.title == "instance group"), default=0
    )
    ours = [*ours[:after], *templates, *ours[after:]]
    return [*ours, *_snapshots(client, desired)] if delete_data else ours


def _snapshots(client: Client, desired: Desired) -> list[tuple[Resource, Json]]:
    collection = f"projects/{client.project}/global/snapshots"
    found = [
        ComputeResource(title="snapshot", collection=collection, body=body)
        for body in client.items(collection)
    ]
    return [(one, one.body) for one in found if one.is_ours(one.body, desired.name)]


def destroy(client: Client, removal: Removal, progress: Progress) -> None:
    """Deletes it. Raises CloudError where a step fails; the same call goes on with the rest."""
    client.on_wait = progress.waiting
    total = len(removal.deleted)
    for done, (resource, actual) in enumerate(removal.deleted):
        what = f"{resource.title} {resource.name}"
        progress.begin(done + 1, total, f"deleting {what}")
        try:
            resource.delete(client, actual)
        except CloudError as error:
            # The answer to an earlier attempt was lost.
            if error.status != 404:
                after = f" ({done} of {total} steps are done; the same command goes on from here)"
                raise error.within(what, after) from error
        progress.done()
