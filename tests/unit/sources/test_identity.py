"""Who a process is, of recorded texts and of this one."""

import os
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.support.mainless import mainless
from tukur.sources.cgroups import parse_cgroup_path
from tukur.sources.identity import read_identity
from tukur.sources.proc import parse_cgroup, parse_cmdline


@given(st.binary(max_size=200))
def test_no_content_is_too_odd_to_parse(content: bytes) -> None:
    path = parse_cgroup(content)
    found = parse_cgroup_path(path)
    assert isinstance(found.unit + found.container + found.pod + found.slice, str)
    parse_cmdline(content)


def test_this_process_knows_itself() -> None:
    identity = read_identity(os.getpid())
    assert identity is not None
    assert identity.argv == Path("/proc/self/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    assert Path(identity.exe) == Path(sys.executable).resolve()
    assert identity.cgroup.startswith("/")


def test_a_process_that_is_gone_is_nobody() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    assert read_identity(child) is None


def test_a_zombie_has_no_arguments() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    identity = read_identity(child)
    os.waitpid(child, 0)
    assert identity is not None
    assert (identity.argv, identity.exe) == ([], "")


def test_a_process_keeps_its_program_and_arguments_when_its_main_thread_has_ended(tmp_path: Path) -> None:
    with mainless(tmp_path, "mysqld") as process:
        assert Path(f"/proc/{process.pid}/cmdline").read_bytes() == b""
        identity = read_identity(process.pid)
        assert identity is not None
        assert Path(identity.exe) == tmp_path / "mysqld"
        assert identity.argv == [os.fsencode(tmp_path / "mysqld"), b"0"]
        assert identity.cgroup == parse_cgroup(Path("/proc/self/cgroup").read_bytes())
