"""The share of memory that a VM of a group reports, so that the group can scale on it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tests.support.google.identity import Instance
from tests.support.google.metadata import ACCESS_TOKEN, MetadataServer, metadata_server
from tests.support.google.server import PROJECT, Google, google
from tests.support.waiting import until
from tukur.agent import memory_metric
from tukur.agent.agent import Agent, AgentSettings
from tukur.agent.joining.identity import GivenIdentity, Identity
from tukur.agent.memory_metric import ATTRIBUTE, MemoryMetric, MetricError, on_google
from tukur.agent.policy.policy import Policy
from tukur.protocol import auth
from tukur.sources.procfs.source import ProcfsSource

KEY = auth.new_key()
METRIC = "custom.googleapis.com/tukur/ram_used"


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Google]:
    with google() as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        name = f"projects/{PROJECT}/metricDescriptors/{METRIC}"
        running.state.resources[name] = {"name": name, "type": METRIC}
        running.token = ACCESS_TOKEN
        yield running


@pytest.fixture
def metadata(monkeypatch: pytest.MonkeyPatch) -> Iterator[MetadataServer]:
    instance = Instance("4711", "tukur-member-abcd", "europe-west1-b", PROJECT)
    instance.attributes = {ATTRIBUTE: METRIC}
    with metadata_server(instance) as running:
        monkeypatch.setenv("GCE_METADATA_HOST", running.address)
        yield running


@asynccontextmanager
async def reporting(*figures: float | None) -> AsyncIterator[asyncio.Task[None]]:
    """Reports these figures one after another, and then none."""
    left = iter(figures)
    task = asyncio.create_task(MemoryMetric(lambda: next(left, None), interval_s=0.01).run())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, MetricError):
            await task


async def test_each_figure_is_a_point_of_this_machine(cloud: Google, metadata: MetadataServer) -> None:
    async with reporting(None, 0.25, 0.5):
        await until(lambda: len(cloud.changes()) == 2)
    first, second = (call.body["timeSeries"][0] for call in cloud.changes())
    assert first["metric"] == {"type": METRIC}
    assert first["resource"] == {
        "type": "gce_instance",
        "labels": {"project_id": PROJECT, "instance_id": "4711", "zone": "europe-west1-b"},
    }
    assert [one["points"][0]["value"]["doubleValue"] for one in (first, second)] == [0.25, 0.5]
    assert cloud.refused == []


async def test_where_the_group_does_not_scale_on_memory_nothing_is_sent(
    cloud: Google, metadata: MetadataServer
) -> None:
    metadata.instance.attributes = {"tukur-hub": "https://203.0.113.7"}
    async with reporting(0.25) as task:
        await until(lambda: len(metadata.requests) == 1)
        done, _ = await asyncio.wait([task], timeout=0.05)
        assert not done
    assert cloud.calls == []


async def test_a_figure_that_is_not_taken_says_why(cloud: Google, metadata: MetadataServer) -> None:
    cloud.fail(
        "monitoring.projects.timeSeries.create", 403, "forbidden", "monitoring.timeSeries.create denied"
    )
    async with reporting(0.25) as task:
        with pytest.raises(MetricError, match=r"answers 403: .*monitoring\.timeSeries\.create denied"):
            await asyncio.wait_for(task, 10)


async def test_a_server_that_does_not_answer_is_named(
    metadata: MetadataServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_MONITORING", "http://127.0.0.1:9/")
    async with reporting(0.25) as task:
        with pytest.raises(MetricError, match=r"127\.0\.0\.1:9 cannot be reached"):
            await asyncio.wait_for(task, 10)


async def test_an_agent_on_such_a_machine_reports_what_the_kernel_says(
    cloud: Google, metadata: MetadataServer, tmp_path: Path
) -> None:
    # Its hub is not there: the group grows all the same.
    identity = Identity(hub="http://127.0.0.1:9", host_id="h", key=KEY, order_key=auth.public_key(KEY))
    policy = Policy()
    settings = AgentSettings(identity=GivenIdentity(identity), spool=tmp_path / "spool", policy=policy)
    agent, stop = Agent(settings, ProcfsSource()), asyncio.Event()
    running = asyncio.create_task(agent.run(stop))
    try:
        call = await until(lambda: next(iter(cloud.changes()), None))
    finally:
        stop.set()
        await running
    used = call.body["timeSeries"][0]["points"][0]["value"]["doubleValue"]
    memory = psutil.virtual_memory()
    assert abs(used - (1 - memory.available / memory.total)) < 0.2


def test_a_machine_elsewhere_never_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GCE_METADATA_HOST", raising=False)
    product = tmp_path / "product_name"
    monkeypatch.setattr(memory_metric, "_PRODUCT", product)
    assert not on_google()
    product.write_text("Standard PC (Q35)\n", encoding="ascii")
    assert not on_google()
    product.write_text("Google Compute Engine\n", encoding="ascii")
    assert on_google()
