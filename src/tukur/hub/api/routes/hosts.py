"""Hosts and their record."""

from typing import Annotated, Any, Literal

from litestar import MediaType, Request, Response, get
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import FromPath, PathParameter, QueryParameter
from msgspec.structs import replace

from tukur.hub.api.parameters import Limit
from tukur.hub.api.problems import problems
from tukur.hub.api.revalidation import matches
from tukur.hub.api.times import AtTime, From, To, instant_ms, range_ms
from tukur.hub.auth.identity import Identity
from tukur.hub.container import Hub
from tukur.hub.errors import ProblemError
from tukur.hub.history.difference import DifferenceBy
from tukur.hub.models.history import Devices, Difference, FleetTopList, Series, TopList
from tukur.hub.models.host import Host, Hosts
from tukur.hub.models.keys import process_key
from tukur.hub.models.process import ProcessDetail, ProcessTable

ApiRequest = Request[Identity, Any, State]

FRAME_TYPE = "application/vnd.tukur.frame"
"""Media type of ``tukur.protocol.frames``."""

Pid = Annotated[int, PathParameter(ge=0, le=2**22)]
StartNs = Annotated[str, PathParameter(pattern=r"^[0-9]{1,19}$", description="Nanoseconds since boot")]
Points = Annotated[int, QueryParameter(ge=2, le=4000, description="Maximum number of points")]
DeviceLimit = Annotated[int, QueryParameter(ge=1, le=64, description="Maximum number of devices")]
TopBy = Annotated[
    Literal["cpu", "rss", "read", "write", "io"],
    QueryParameter(description="Sort by CPU time, peak RSS, bytes read, bytes written, or both"),
]

BootNs = Annotated[
    int | None,
    QueryParameter(
        name="boot_ns",
        ge=0,
        le=2**63 - 1,
        description="Which of the `samples` of that second; default: the newest",
    ),
]
DifferenceSort = Annotated[
    DifferenceBy,
    QueryParameter(description="Sort by change of RSS, by CPU time, or by bytes read and written"),
]
Left = Annotated[bool, QueryParameter(description="Also hosts that have left: their machines are no more")]
GroupBy = Annotated[
    Literal["process", "name", "user", "unit", "container", "pod", "slice"],
    QueryParameter(description="Aggregate lives by this field (its last value); `process`: do not aggregate"),
]


def with_role(identity: Identity, host: Host) -> Host:
    """The host with the requester's role on it."""
    return replace(host, role=identity.rights.on(host.groups).label)


@get(
    "/api/hosts",
    operation_id="listHosts",
    summary="All hosts",
    tags=["hosts"],
    responses=problems(400, 401, 503),
)
async def list_hosts(request: ApiRequest, hub: NamedDependency[Hub], left: Left = False) -> Hosts:
    """Every enrolled host that the requester may see, by name; without those that have left."""
    sees = request.user.sees
    found = await hub.history.hosts(sees, left=left)
    return Hosts(hosts=[with_role(request.user, host) for host in found], left=await hub.history.left(sees))


@get(
    "/api/hosts/{host_id:str}",
    operation_id="getHost",
    summary="One host",
    tags=["hosts"],
    responses=problems(400, 401, 404, 503),
)
async def get_host(request: ApiRequest, host_id: FromPath[str], hub: NamedDependency[Hub]) -> Host:
    """Its properties, whether its agent is connected, the extent of its record, and its newest figures."""
    return with_role(request.user, await hub.history.host(host_id))


@get(
    "/api/hosts/{host_id:str}/series",
    operation_id="getSeries",
    summary="The host's figures over time",
    tags=["history"],
    responses=problems(400, 401, 404, 503),
)
async def get_series(
    host_id: FromPath[str], from_: From, to: To, hub: NamedDependency[Hub], points: Points = 600
) -> Series:
    """Minimum, mean and maximum of each figure per step, so that a spike of one second is never lost."""
    begin, end = range_ms(from_, to)
    return await hub.history.series(host_id, begin, end, points)


@get(
    "/api/hosts/{host_id:str}/devices",
    operation_id="getDevices",
    summary="What each disk and network interface did over time",
    tags=["history"],
    responses=problems(400, 401, 404, 503),
)
async def get_devices(
    host_id: FromPath[str],
    from_: From,
    to: To,
    hub: NamedDependency[Hub],
    points: Points = 600,
    limit: DeviceLimit = 16,
) -> Devices:
    """Mean and maximum per step of the devices with the most traffic, as far as the agent reported them."""
    begin, end = range_ms(from_, to)
    return await hub.history.devices(host_id, begin, end, points, limit)


@get(
    "/api/hosts/{host_id:str}/processes",
    operation_id="listProcesses",
    summary="The process table at one second",
    tags=["history"],
    responses=problems(400, 401, 404, 503),
)
async def list_processes(
    request: ApiRequest,
    host_id: FromPath[str],
    hub: NamedDependency[Hub],
    at: AtTime = None,
    boot_ns: BootNs = None,
) -> Response[ProcessTable | bytes | None]:
    """Every process as it was at that second; without `at`, as it is now.

    A second has one sample, or several where the host's clock was set back: `samples` lists them, and
    `boot_ns` selects one.

    With `Accept: application/vnd.tukur.frame` the response is a key frame, as in the live stream.
    """
    asked_ms = None if at is None else instant_ms(at, "at")
    if asked_ms is None and boot_ns is not None:
        raise ProblemError(
            400, "bad_time", f"boot_ns={boot_ns} without at; the second of the sample expected"
        )
    framed = FRAME_TYPE in request.headers.get("accept", "")
    tag = None if asked_ms is None else await hub.history.tag(host_id, asked_ms)
    form = f"{'frame' if framed else 'table'}{'' if boot_ns is None else f'-{boot_ns}'}"
    headers = {} if tag is None else {"ETag": f'"{tag}-{form}"', "Vary": "Accept"}
    if tag is not None and matches(request.headers.get("if-none-match", ""), headers["ETag"]):
        return Response(None, status_code=304, headers=headers)
    if framed:
        frame, shown = await hub.history.frame(host_id, asked_ms, boot_ns)
        return Response(frame, media_type=FRAME_TYPE, headers=headers | shown)
    table = await hub.history.table(host_id, asked_ms, boot_ns)
    return Response(table, media_type=MediaType.JSON, headers=headers)


@get(
    "/api/hosts/{host_id:str}/top",
    operation_id="listTop",
    summary="The top processes, or groups of them, within a range",
    tags=["history"],
    responses=problems(400, 401, 404, 503),
)
async def list_top(
    host_id: FromPath[str],
    from_: From,
    to: To,
    hub: NamedDependency[Hub],
    by: TopBy = "cpu",
    limit: Limit = 50,
    group: GroupBy = "process",
) -> TopList:
    """By CPU time, peak RSS or I/O; processes that have ended are included.

    With `group` the response has `groups` instead of `processes`, in the same order.
    """
    begin, end = range_ms(from_, to)
    return await hub.history.top(host_id, begin, end, by, limit, group)


@get(
    "/api/top",
    operation_id="listFleetTop",
    summary="The top processes of all hosts within a range",
    tags=["history"],
    responses=problems(400, 401, 503),
)
async def list_fleet_top(
    request: ApiRequest, from_: From, to: To, hub: NamedDependency[Hub], by: TopBy = "cpu", limit: Limit = 50
) -> FleetTopList:
    """By CPU time, peak RSS or I/O, in whole minutes; of the hosts that the requester may see."""
    begin, end = range_ms(from_, to)
    return await hub.history.fleet_top(begin, end, by, limit, request.user.sees)


@get(
    "/api/hosts/{host_id:str}/difference",
    operation_id="getDifference",
    summary="What changed between two times",
    tags=["history"],
    responses=problems(400, 401, 404, 503),
)
async def get_difference(
    host_id: FromPath[str],
    from_: From,
    to: To,
    hub: NamedDependency[Hub],
    by: DifferenceSort = "rss",
    limit: Limit = 100,
) -> Difference:
    """Compares the samples nearest to both times: processes that appeared, ended, or changed."""
    begin, end = range_ms(from_, to)
    return await hub.history.difference(host_id, begin, end, by, limit)


@get(
    "/api/hosts/{host_id:str}/processes/{boot_id:str}/{pid:int}/{start_ns:str}",
    operation_id="getProcess",
    summary="One process life",
    tags=["history"],
    responses=problems(400, 401, 404, 503),
)
async def get_process(
    host_id: FromPath[str], boot_id: FromPath[str], pid: Pid, start_ns: StartNs, hub: NamedDependency[Hub]
) -> ProcessDetail:
    """From the record and, while it lives, from its agent: children, unit, what would restart it."""
    key = process_key(boot_id, pid, start_ns)
    return await hub.history.detail(host_id, key.boot_id, key.pid, key.start_ns)
