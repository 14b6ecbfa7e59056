"""Tells Cloud Monitoring the share of memory in use, where this machine's instance group scales on it."""

import asyncio
import datetime
import http.client
import json
import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from tukur.agent.foreign import in_own_thread
from tukur.agent.joining import google

ATTRIBUTE = "tukur-ram-metric"
"""Of the instance template, if the group scales on memory: the metric's type."""
INTERVAL_S = 60.0
"""Cloud Monitoring takes a point every five seconds at most; the autoscaler looks at minutes."""

_PRODUCT = Path("/sys/class/dmi/id/product_name")
_SERVER = "https://monitoring.googleapis.com/"
_TIMEOUT_S = 20.0
_UNKNOWN_S = 1.0


class MetricError(Exception):
    """Cloud Monitoring does not take the figure. The text says why."""


def on_google() -> bool:
    """Whether this is a VM of Compute Engine, by its firmware or by the environment."""
    if os.environ.get("GCE_METADATA_HOST"):
        return True
    try:
        return _PRODUCT.read_text(encoding="ascii", errors="replace").startswith("Google Compute Engine")
    except OSError:
        return False


class MemoryMetric:
    """Reports for as long as the agent runs. `used`: the share now, 0 to 1; None: not known yet."""

    def __init__(self, used: Callable[[], float | None], interval_s: float = INTERVAL_S) -> None:
        self._used = used
        self._interval_s = interval_s

    async def run(self) -> None:
        """Until it is cancelled. Raises MetadataError, and MetricError where a figure is not taken."""
        names = (await google.value("instance/attributes/")).split()
        if ATTRIBUTE not in names:
            # The group does not scale on memory.
            await asyncio.Event().wait()
        kind = await google.value(f"instance/attributes/{ATTRIBUTE}")
        resource = await _resource()
        while True:
            used = self._used()
            if used is None:
                await asyncio.sleep(min(_UNKNOWN_S, self._interval_s))
                continue
            token, _ = await google.access_token()
            series = _series(kind, resource, used)
            await in_own_thread(_send, resource["project_id"], token, series)
            await asyncio.sleep(self._interval_s)


async def _resource() -> dict[str, str]:
    """This machine, as the autoscaler looks for its figures."""
    return {
        "project_id": await google.value("project/project-id"),
        "instance_id": await google.value("instance/id"),
        # projects/NUMBER/zones/ZONE
        "zone": (await google.value("instance/zone")).rpartition("/")[2],
    }


def _series(kind: str, resource: dict[str, str], used: float) -> dict[str, object]:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    point = {"interval": {"endTime": now}, "value": {"doubleValue": round(used, 4)}}
    return {
        "metric": {"type": kind},
        "resource": {"type": "gce_instance", "labels": resource},
        "points": [point],
    }


def _send(project: str, token: str, series: dict[str, object]) -> None:
    # Google's own variable names another server, for tests and for private endpoints.
    server = urlsplit(os.environ.get("CLOUDSDK_API_ENDPOINT_OVERRIDES_MONITORING") or _SERVER)
    secure = server.scheme == "https"
    connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = connect(server.netloc, timeout=_TIMEOUT_S)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    try:
        body = json.dumps({"timeSeries": [series]})
        connection.request("POST", f"/v3/projects/{project}/timeSeries", body, headers)
        with connection.getresponse() as answer:
            said = answer.read(4096).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        raise MetricError(f"{server.netloc} cannot be reached: {error or type(error).__name__}") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise MetricError(f"{server.netloc} answers {answer.status}: {' '.join(said.split())[:200]}")
