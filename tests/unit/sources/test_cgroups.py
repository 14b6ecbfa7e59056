"""What a cgroup's path says, of recorded paths; and paths by id, of this machine's own cgroups."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tukur.sources import cgroups
from tukur.sources.cgroups import (
    CgroupMembership,
    CgroupPaths,
    Mount,
    below,
    cgroup2_mount,
    find_mount,
    parse_cgroup_path,
    walk,
)

ID = "0123456789abcdef" * 4
OTHER = "f" * 64
UID = "2c48913c-b29f-11e7-9350-020968147796"
UID_ = UID.replace("-", "_")
SHORT = "0123456789ab"


@pytest.mark.parametrize(
    ("cgroup", "unit"),
    [
        ("/system.slice/ssh.service", "ssh.service"),
        ("/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service"),
        ("/user.slice/user-1000.slice/session-3.scope", "session-3.scope"),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/a\\x2db.service", "a\\x2db.service"),
        ("/system.slice/home-data.mount", "home-data.mount"),
        ("/system.slice/x.service/payload", "x.service"),
        ("/init.scope", "init.scope"),
        ("/../../system.slice/ssh.service", "ssh.service"),
        ("/user.slice", ""),
        ("/.service", ""),
        ("/", ""),
        ("", ""),
    ],
)
def test_the_unit_is_the_last_one_on_the_path(cgroup: str, unit: str) -> None:
    assert parse_cgroup_path(cgroup).unit == unit


@pytest.mark.parametrize(
    ("cgroup", "container"),
    [
        (f"/system.slice/docker-{ID}.scope", f"docker:{SHORT}"),
        (f"/docker/{ID}", f"docker:{SHORT}"),
        (f"/docker/{ID}/init", f"docker:{SHORT}"),
        (f"/user.slice/user-1000.slice/user@1000.service/user.slice/docker-{ID}.scope", f"docker:{SHORT}"),
        (f"/ecs/{'a' * 32}/{ID}", f"docker:{SHORT}"),
        ("/docker/buildkit/" + "k" * 25, "buildkit:" + "k" * 25),
        (f"/machine.slice/libpod-{ID}.scope/container", f"podman:{SHORT}"),
        (f"/machine.slice/machine-libpod_pod_{OTHER}.slice/libpod-{ID}.scope", f"podman:{SHORT}"),
        (f"/user.slice/user@1.service/libpod-{ID}", f"podman:{SHORT}"),
        (f"/machine.slice/libpod-conmon-{ID}.scope", ""),
        (f"/kubepods.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope", f"containerd:{SHORT}"),
        (f"/kubepods.slice/kubepods-pod1.slice/crio-{ID}.scope", f"crio:{SHORT}"),
        (f"/kubepods.slice/kubepods-pod{UID_}.slice/docker-{ID}.scope", f"docker:{SHORT}"),
        (f"/kubepods/burstable/pod1-2/{ID}", f"kubernetes:{SHORT}"),
        (f"/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:{ID}", f"containerd:{SHORT}"),
        (f"/system.slice/nerdctl-{ID}.scope", f"containerd:{SHORT}"),
        (f"/default/{ID}", f"containerd:{SHORT}"),
        (f"/jobs/{ID}", f"container:{SHORT}"),
        ("/lxc/web/init.scope", "lxc:web"),
        ("/lxc/101/ns/init.scope", "lxc:101"),
        ("/lxc.payload.web-1/system.slice/a.service", "lxc:web-1"),
        ("/machine.slice/systemd-nspawn@deb.service/payload", "nspawn:deb"),
        ("/machine.slice/machine-deb\\x2d12.scope/system.slice/a.service", "nspawn:deb-12"),
        ("/machine.slice/machine-qemu\\x2d3\\x2dwin\\x2d11.scope/libvirt/emulator", "libvirt:win-11"),
        ("/system.slice/docker.service", ""),
        ("/user.slice/user-1000.slice/machine-x.scope", ""),
        (f"/docker-{ID[:-1]}.scope", ""),
        ("/", ""),
    ],
)
def test_the_container_is_named_by_its_engine(cgroup: str, container: str) -> None:
    assert parse_cgroup_path(cgroup).container == container


@pytest.mark.parametrize(
    ("cgroup", "pod"),
    [
        (f"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{UID_}.slice/x.scope", UID),
        (f"/kubepods.slice/kubepods-pod{UID_}.slice", UID),
        (f"/kubepods/burstable/pod{UID}/{ID}", UID),
        (f"/kubepods/pod{'ab' * 16}/{ID}", "ab" * 16),
        (f"/system.slice/containerd.service/kubepods-burstable-pod{UID_}.slice:cri-containerd:{ID}", UID),
        (
            f"/docker/{OTHER}/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{UID_}.slice/x.scope",
            UID,
        ),
        ("/kubepods/burstable", ""),
        ("/system.slice/podman.service", ""),
        (f"/machine.slice/machine-libpod_pod_{ID}.slice", ""),
    ],
)
def test_the_pod_is_told_by_its_uid_under_both_cgroup_drivers(cgroup: str, pod: str) -> None:
    assert parse_cgroup_path(cgroup).pod == pod


@pytest.mark.parametrize(
    ("cgroup", "found"),
    [
        ("/system.slice/ssh.service", "system.slice"),
        ("/system.slice/system-getty.slice/getty@tty1.service", "system-getty.slice"),
        ("/user.slice/user-1000.slice/session-3.scope", "user-1000.slice"),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/a.service", "user-1000.slice"),
        (
            f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{UID_}.slice/a.scope",
            "kubepods-burstable.slice",
        ),
        (f"/machine.slice/machine-libpod_pod_{ID}.slice/libpod-{OTHER}.scope", "machine.slice"),
        ("/lxc.payload.web/system.slice/nginx.service", ""),
        ("/machine.slice/systemd-nspawn@deb.service/payload/system.slice/a.service", "machine.slice"),
        ("/init.scope", ""),
        ("/", ""),
    ],
)
def test_the_slice_is_of_this_machines_own_service_manager(cgroup: str, found: str) -> None:
    assert parse_cgroup_path(cgroup).slice == found


def test_of_nested_containers_the_inner_one_counts() -> None:
    inner = parse_cgroup_path(f"/system.slice/docker-{OTHER}.scope/docker/{ID}")
    assert inner == CgroupMembership(
        unit=f"docker-{OTHER}.scope", container=f"docker:{SHORT}", slice="system.slice"
    )
    in_pod = parse_cgroup_path(f"/kubepods/burstable/pod{UID}/{OTHER}/docker/{ID}")
    assert (in_pod.container, in_pod.pod) == (f"docker:{SHORT}", UID)


@given(
    st.lists(
        st.sampled_from(["", "..", "docker", "lxc", f"docker-{ID}.scope", "a.slice", "pod", "\\x2d", "é"])
    )
)
def test_no_path_is_too_odd(parts: list[str]) -> None:
    found = parse_cgroup_path("/".join(parts))
    assert all(isinstance(text, str) for text in (found.unit, found.container, found.pod, found.slice))


HYBRID = (
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n"
)


@pytest.mark.parametrize(
    ("mountinfo", "mount"),
    [
        (HYBRID, Mount("/sys/fs/cgroup/unified", "/")),
        (
            "35 24 0:30 / /sys/fs/cgroup ro,nosuid shared:9 - cgroup2 cgroup2 rw\n",
            Mount("/sys/fs/cgroup", "/"),
        ),
        (
            "1 2 0:3 /a/b /part rw - cgroup2 none rw\n4 2 0:3 / /my\\040cgroups rw - cgroup2 none rw\n",
            Mount("/my cgroups", "/"),
        ),
        ("1 2 0:3 /a/b /part rw - cgroup2 none rw\n", Mount("/part", "/a/b")),
        ("32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n", None),
        ("", None),
        ("garbage", None),
    ],
)
def test_the_hierarchy_is_found_where_most_of_it_is_mounted(mountinfo: str, mount: Mount | None) -> None:
    assert cgroup2_mount(mountinfo) == mount


@pytest.mark.parametrize(
    ("link", "mount", "path"),
    [
        ("/sys/fs/cgroup/a/b", Mount("/sys/fs/cgroup", "/"), "/a/b"),
        ("/sys/fs/cgroup", Mount("/sys/fs/cgroup", "/"), "/"),
        ("/part/c", Mount("/part", "/a/b"), "/a/b/c"),
        ("/part/c", Mount("/part", "/../.."), "/c"),
        ("/sys/fs/cgroup2/a", Mount("/sys/fs/cgroup", "/"), None),
        ("/(unreachable)/a", Mount("/sys/fs/cgroup", "/"), None),
    ],
)
def test_a_path_begins_at_the_root_of_the_hierarchy(link: str, mount: Mount, path: str | None) -> None:
    assert below(link, mount) == path


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty cgroup of the real hierarchy, removed with all below it afterwards."""
    mount = find_mount()
    if mount is None or not os.access(mount.point, os.W_OK) or os.geteuid() != 0:
        pytest.skip("needs root and a cgroup2 mount")
    made = Path(mount.point) / f"tukur-test-{uuid.uuid4().hex[:8]}"
    made.mkdir()
    yield made
    for below_it in sorted(made.rglob("*"), reverse=True):
        if below_it.is_dir():
            below_it.rmdir()
    if made.exists():
        made.rmdir()


@pytest.fixture
def paths() -> Iterator[CgroupPaths]:
    """The paths of this machine, by a clock that the test moves."""
    found = CgroupPaths(clock=lambda: CLOCK[0])
    yield found
    found.close()


CLOCK = [1000.0]


def cgroup_id(folder: Path) -> int:
    return folder.stat().st_ino


def test_what_was_there_at_the_start_is_known_after_it_is_gone(folder: Path) -> None:
    inner = folder / "job.service"
    inner.mkdir()
    number = cgroup_id(inner)
    paths = CgroupPaths()
    inner.rmdir()
    assert paths.path(number) == f"/{folder.name}/job.service"
    paths.close()


def test_what_is_made_later_is_asked_of_the_kernel_by_its_id(folder: Path, paths: CgroupPaths) -> None:
    odd = folder / "is it (deleted)"
    odd.mkdir()
    assert paths.path(cgroup_id(odd)) == f"/{folder.name}/is it (deleted)"
    assert paths.path(cgroup_id(folder)) == f"/{folder.name}"
    assert paths.path(cgroup_id(folder.parent)) == "/"


def test_a_cgroup_that_takes_the_name_of_another_has_an_id_of_its_own(
    folder: Path, paths: CgroupPaths
) -> None:
    again = folder / "a.service"
    again.mkdir()
    first = cgroup_id(again)
    assert paths.path(first) == f"/{folder.name}/a.service"
    again.rmdir()
    (folder / "b.service").mkdir()
    again.mkdir()
    second = cgroup_id(again)
    assert second != first
    assert paths.path(second) == f"/{folder.name}/a.service"
    assert paths.path(first) == f"/{folder.name}/a.service"


def test_ids_are_not_used_again(folder: Path) -> None:
    numbers = []
    for _ in range(200):
        inner = folder / "x"
        inner.mkdir()
        numbers.append(cgroup_id(inner))
        inner.rmdir()
    assert len(set(numbers)) == 200


def test_what_is_gone_unlearnt_is_not_known_until_an_event_tells(folder: Path, paths: CgroupPaths) -> None:
    inner = folder / "short"
    inner.mkdir()
    number = cgroup_id(inner)
    inner.rmdir()
    assert paths.path(number) is None
    paths.learn(number, "/told/by/event")
    assert paths.path(number) == "/told/by/event"


def test_not_known_is_believed_for_a_short_time_only(
    folder: Path, paths: CgroupPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    link_of = cgroups.link_of

    def counted(mount_fd: int, number: int) -> str:
        asked.append(number)
        return link_of(mount_fd, number)

    monkeypatch.setattr(cgroups, "link_of", counted)
    for _ in range(5):
        assert paths.path(2**60) is None
    assert asked == [2**60]
    CLOCK[0] += 2.1
    assert paths.path(2**60) is None
    assert asked == [2**60] * 2


def test_without_the_capability_the_folder_is_walked_now_and_then(
    folder: Path, paths: CgroupPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(mount_fd: int, number: int) -> str:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(cgroups, "link_of", refused)
    inner = folder / "a"
    inner.mkdir()
    assert paths.path(cgroup_id(inner)) is None
    CLOCK[0] += 11
    assert paths.path(cgroup_id(inner)) == f"/{folder.name}/a"


def test_the_kernel_refuses_to_tell_an_ordinary_user(folder: Path) -> None:
    mount_fd = os.open(folder.parent, os.O_RDONLY)
    number = cgroup_id(folder)
    child = os.fork()
    if child == 0:
        os.setuid(65_534)
        try:
            cgroups.link_of(mount_fd, number)
        except PermissionError:
            os._exit(7)
        os._exit(1)
    os.close(mount_fd)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_the_least_used_paths_are_forgotten_first(folder: Path) -> None:
    mount = find_mount()
    assert mount is not None
    paths = CgroupPaths(mount, limit=3)
    for number in (2**50, 2**50 + 1, 2**50 + 2):
        paths.learn(number, f"/{number}")
    assert paths.path(2**50) == f"/{2**50}"
    paths.learn(2**50 + 3, "/new")
    assert [paths.path(2**50), paths.path(2**50 + 1)] == [f"/{2**50}", None]
    paths.close()


def test_a_machine_without_the_hierarchy_knows_what_it_is_told(tmp_path: Path) -> None:
    paths = CgroupPaths(Mount(str(tmp_path / "none"), "/"))
    assert paths.path(5) is None
    paths.learn(5, "/a")
    assert paths.path(5) == "/a"
    paths.close()


def test_a_walk_tells_every_cgroup_by_its_whole_id(folder: Path) -> None:
    (folder / "a" / "b").mkdir(parents=True)
    mount = find_mount()
    assert mount is not None
    found = dict(walk(mount, 10_000))
    for made in (folder, folder / "a", folder / "a" / "b"):
        assert found[cgroup_id(made)] == f"/{made.relative_to(mount.point)}"
