"""What a person is told where the kernel modules cannot be had: texts as kmod, make and kernels write."""

from dataclasses import replace

import pytest

from tukur.sources.module import kmod_messages
from tukur.sources.module.kmod import MachineState

FINE = MachineState(
    release="6.1.0-56-amd64",
    may_load=True,
    has_modules=True,
    loading_disabled=False,
    headers="/lib/modules/6.1.0-56-amd64/build",
    headers_release="6.1.0-56-amd64",
    headers_remedy="apt-get install linux-headers-6.1.0-56-amd64",
    clang=False,
    missing_tools=[],
    tools_remedy="apt-get install make gcc",
    dkms="",
    dkms_entries=[],
    secure_boot=None,
    lockdown="none",
    sig_enforce=False,
    loaded=[],
    installed_for=[],
)


def obstacles(**changes: object) -> list[str]:
    state = replace(FINE, **changes)  # type: ignore[arg-type]
    return kmod_messages.obstacles(state, root=True, sources_there=True)


def test_nothing_is_in_the_way_where_all_is_there() -> None:
    assert obstacles() == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"has_modules": False, "headers": ""}, "built without CONFIG_MODULES"),
        ({"may_load": False}, "no CAP_SYS_MODULE"),
        ({"loading_disabled": True}, "kernel.modules_disabled is 1"),
        ({"headers": ""}, "apt-get install linux-headers-6.1.0-56-amd64"),
        ({"headers": "", "headers_remedy": ""}, "install those of 6.1.0-56-amd64"),
        ({"headers_release": "6.1.0-47-amd64"}, "are of kernel 6.1.0-47-amd64; 6.1.0-56-amd64 is running"),
        ({"missing_tools": ["make", "gcc"]}, "no make and gcc to build with: apt-get install make gcc"),
    ],
)
def test_each_obstacle_is_one_line_with_its_remedy(changes: dict[str, object], told: str) -> None:
    (line,) = obstacles(**changes)
    assert told in line
    assert "\n" not in line


def test_a_user_is_told_to_be_root_and_an_installation_without_sources_says_so() -> None:
    user, sources = kmod_messages.obstacles(FINE, root=False, sources_there=False)
    assert "sudo tukur module install" in user
    assert "native/module" in sources


UNSIGNED = "modprobe: ERROR: could not insert 'tukur_ram': Key was rejected by service\n"
FORBIDDEN = "modprobe: ERROR: could not insert 'tukur_ram': Operation not permitted\n"
FORMAT = "modprobe: ERROR: could not insert 'tukur_ram': Exec format error\n"


@pytest.mark.parametrize(
    ("said", "log", "changes", "told"),
    [
        (UNSIGNED, [], {"sig_enforce": True}, "signed modules only (module.sig_enforce=1)"),
        (UNSIGNED, [], {"secure_boot": True}, "signed modules only (Secure Boot)"),
        (
            UNSIGNED,
            ["Loading of unsigned module is rejected"],
            {"sig_enforce": None},
            "signed modules only (its settings)",
        ),
        (
            FORBIDDEN,
            ["Lockdown: modprobe: unsigned module loading is restricted; see man kernel_lockdown.7"],
            {"lockdown": "integrity"},
            "signed modules only (lockdown=integrity)",
        ),
        (FORBIDDEN, [], {"lockdown": "confidentiality"}, "(lockdown=confidentiality)"),
        (FORBIDDEN, [], {}, "this user may not load modules"),
        (
            FORMAT,
            ["tukur_ram: version magic '6.1.0-47-amd64 SMP ' should be '6.1.0-56-amd64 SMP '"],
            {},
            "(6.1.0-47-amd64 SMP; 6.1.0-56-amd64 SMP expected)",
        ),
        (FORMAT, [], {}, "built for another kernel than 6.1.0-56-amd64: apt-get install linux-headers"),
        (
            "modprobe: ERROR: could not insert 'tukur_cpu': Invalid argument\n",
            ["tukur_cpu: gid=-7: expected the number of a group, or -1 for none"],
            {},
            "refused its parameters: tukur_cpu: gid=-7: expected the number of a group",
        ),
        (
            "modprobe: ERROR: could not insert 'tukur_ram': File exists\n",
            ["tukur_ram: /proc/meminfo exists already"],
            {},
            "refused its parameters: tukur_ram: /proc/meminfo exists already",
        ),
        (
            "could not insert 'tukur_cpu': Unknown symbol in module, or unknown parameter (see dmesg)\n",
            ["tukur_cpu: Unknown symbol cgroup_path_ns (err -2)"],
            {},
            "lacks something that the module needs: tukur_cpu: Unknown symbol cgroup_path_ns",
        ),
        (
            "modprobe: FATAL: Module tukur_ram not found in directory /lib/modules/6.1.0-56-amd64\n",
            [],
            {},
            "run depmod -a",
        ),
        (
            "modprobe: ERROR: could not insert 'tukur_ram': Cannot allocate memory\n",
            [],
            {},
            "Cannot allocate",
        ),
        ("", [], {}, "it says nothing"),
    ],
)
def test_a_refused_module_is_explained_in_one_line(
    said: str, log: list[str], changes: dict[str, object], told: str
) -> None:
    state = replace(FINE, **changes)  # type: ignore[arg-type]
    line = kmod_messages.refusal(said, log, state, by_dkms=False)
    assert told in line
    assert "\n" not in line


def test_what_dkms_signs_can_be_enrolled() -> None:
    state = replace(FINE, secure_boot=True)
    assert "mokutil --import" in kmod_messages.refusal(UNSIGNED, [], state, by_dkms=True)
    assert "install dkms" in kmod_messages.refusal(UNSIGNED, [], state, by_dkms=False)


def test_a_busy_module_says_who_is_reading_it() -> None:
    said = "rmmod: ERROR: Module tukur_cpu is in use\n"
    assert "by cat (PID 7);" in kmod_messages.unload_refusal(said, "tukur_cpu", ["cat (PID 7)"])
    assert "is being read;" in kmod_messages.unload_refusal(said, "tukur_cpu", [])


def test_a_build_that_fails_tells_its_first_error() -> None:
    output = (
        "  CC [M]  /x/tasks.o\n/x/tasks.c:9:10: fatal error: linux/nosuch.h: No such file or directory\n"
        "compilation terminated.\nmake[2]: *** [scripts/Makefile.build:250: /tmp/x/tasks.o] Error 1\n"
    )
    assert "tasks.c:9:10: fatal error: linux/nosuch.h" in kmod_messages.build_failure(output)


@pytest.mark.parametrize(
    ("source", "word"), [("bpf", "eBPF"), ("procfs", "plain /proc"), ("module", "stay"), ("", "doctor")]
)
def test_what_the_agent_uses_instead_is_said(source: str, word: str) -> None:
    assert word in kmod_messages.fallback(source)
