"""What a virtual machine of Google Compute Engine learns from its metadata server.

https://cloud.google.com/compute/docs/metadata/overview
"""

import asyncio
import http.client
import json
import os
from urllib.parse import urlencode

from tukur.agent.foreign import in_own_thread

HOST = "metadata.google.internal"
"""Unless the environment's GCE_METADATA_HOST says another, as for Google's own libraries."""
TIMEOUT_S = 5.0
_LARGEST = 64 * 1024
_FLAVOR = {"Metadata-Flavor": "Google"}


class MetadataError(Exception):
    """The metadata server does not answer, or not as expected. The text says what came."""


async def identity_token(audience: str) -> str:
    """This machine's instance identity token, signed by Google for one audience. Raises MetadataError."""
    query = urlencode({"audience": audience, "format": "full"})
    return await value(f"instance/service-accounts/default/identity?{query}")


async def access_token() -> tuple[str, float]:
    """(token of the machine's service account, how long it is valid in seconds). Raises MetadataError."""
    text = await value("instance/service-accounts/default/token")
    try:
        found = json.loads(text)
        return str(found["access_token"]), float(found["expires_in"])
    except (ValueError, KeyError, TypeError) as error:
        raise MetadataError(f"an access token in another form: {error}") from error


async def is_preempted(seconds: float) -> bool:
    """Whether Google is taking this machine away; False where that is not known within the time."""
    try:
        async with asyncio.timeout(seconds):
            return await value("instance/preempted") == "TRUE"
    except (MetadataError, TimeoutError):
        return False


async def value(path: str) -> str:
    """What is at a path below ``/computeMetadata/v1/``. Raises MetadataError."""
    try:
        return await in_own_thread(_get, path)
    except TimeoutError as error:
        raise MetadataError(f"the metadata server {HOST} does not answer: {error}") from error


def _get(path: str) -> str:
    host = os.environ.get("GCE_METADATA_HOST") or HOST
    # Never through a proxy: it is a link-local address of this machine.
    connection = http.client.HTTPConnection(host, timeout=TIMEOUT_S)
    try:
        connection.request("GET", f"/computeMetadata/v1/{path}", headers=_FLAVOR)
        with connection.getresponse() as response:
            content = response.read(_LARGEST)
    except (OSError, http.client.HTTPException) as error:
        raise MetadataError(
            f"the metadata server {host} does not answer ({error or type(error).__name__}); "
            "a virtual machine of Google Compute Engine expected"
        ) from error
    finally:
        connection.close()
    if response.getheader("Metadata-Flavor") != "Google":
        raise MetadataError(f"{host} is no metadata server of Google: it answers without Metadata-Flavor")
    if response.status != 200:
        asked = path.partition("?")[0]
        raise MetadataError(f"the metadata server answers {response.status} when asked for {asked}")
    return content.decode("utf-8", "replace")
