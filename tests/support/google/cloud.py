"""A hub's Google for a test: Compute Engine with one instance group, and a metadata server."""

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.google.identity import Instance, SigningKeys
from tests.support.google.metadata import MetadataServer, metadata_server
from tests.support.google.server import PROJECT, Google, google
from tukur.hub.cloud.settings import GoogleSettings

GROUP = "regions/europe-west1/instanceGroupManagers/web"


@functools.cache
def signing_keys() -> SigningKeys:
    """One for all tests that do not rotate them: making an RSA key takes a while."""
    return SigningKeys()


@dataclass(slots=True)
class Cloud:
    """Google as one machine sees it."""

    google: Google
    metadata: MetadataServer
    """Of the machine that asks: a test changes its `instance`."""
    group: str
    """The full name of the instance group."""

    @property
    def settings(self) -> GoogleSettings:
        """Of a hub."""
        return GoogleSettings(
            PROJECT, (GROUP,), certs_url=self.metadata.certs_url, compute_url=f"{self.google.url}/compute/v1"
        )

    def add(self, name: str | None = None) -> dict[str, Any]:
        """A new VM of the group, which the metadata server speaks of from now on."""
        resource = self.google.add_instance(self.group, name)
        self.metadata.instance = Instance.of(resource)
        return resource

    def says(self, resource: dict[str, Any], status: str, action: str = "NONE") -> None:
        """What the group says of a VM from now on."""
        resource |= {"status": status, "tests.action": action}


@contextlib.contextmanager
def cloud(keys: SigningKeys | None = None) -> Iterator[Cloud]:
    """A Google with the empty group :data:`GROUP`; this process finds its metadata server."""
    nobody = Instance("1", "nobody", project=PROJECT)
    with (
        google() as compute,
        metadata_server(nobody, keys or signing_keys()) as metadata,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("GCE_METADATA_HOST", metadata.address)
        yield Cloud(compute, metadata, compute.add_group("web"))
