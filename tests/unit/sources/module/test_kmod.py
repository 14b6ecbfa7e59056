"""What a machine says of its kernel modules, on recorded text."""

import os
from pathlib import Path

import pytest

from tukur.sources.module.kmod import (
    DkmsEntry,
    distribution_names,
    installed_for,
    machine_state,
    openers,
    parse_config,
    parse_dkms_status,
    parse_lockdown,
    parse_secure_boot,
    parse_uts_release,
    remedy_for,
    source_folder,
)


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("[none] integrity confidentiality\n", "none"),
        ("none [integrity] confidentiality\n", "integrity"),
        ("none integrity [confidentiality]\n", "confidentiality"),
        ("", ""),
    ],
)
def test_lockdown_is_what_stands_in_brackets(text: str, state: str) -> None:
    assert parse_lockdown(text) == state


@pytest.mark.parametrize(
    ("variable", "on"),
    [(b"\x06\0\0\0\x01", True), (b"\x06\0\0\0\0", False), (b"", None), (b"\x06\0\0\0", None)],
)
def test_secure_boot_is_the_byte_behind_the_attributes(variable: bytes, on: bool | None) -> None:
    assert parse_secure_boot(variable) is on


def test_dkms_says_its_state_in_two_forms() -> None:
    new = (
        "tukur/0.1.0, 6.1.0-18-amd64, x86_64: installed\n"
        "tukur/0.1.0, 6.12.1, x86_64: installed (WARNING! Diff between built and installed module!)\n"
        "tukur/0.0.9: added\n"
        "zfs/2.1.11, 6.1.0-18-amd64, x86_64: installed\n"
    )
    assert parse_dkms_status(new) == [
        DkmsEntry("0.1.0", "6.1.0-18-amd64", "installed"),
        DkmsEntry("0.1.0", "6.12.1", "installed (WARNING! Diff between built and installed module!)"),
        DkmsEntry("0.0.9", "", "added"),
    ]
    old = "tukur, 0.1.0, 5.15.0-91-generic, x86_64: built\ntukur, 0.0.9: added\n"
    assert parse_dkms_status(old) == [
        DkmsEntry("0.1.0", "5.15.0-91-generic", "built"),
        DkmsEntry("0.0.9", "", "added"),
    ]
    assert parse_dkms_status("") == parse_dkms_status("Error! Arguments <module> are not specified.\n") == []


@pytest.mark.parametrize(
    ("os_release", "headers"),
    [
        ({"ID": "debian", "VERSION_ID": "12"}, "apt-get install linux-headers-6.1"),
        ({"ID": "ubuntu", "ID_LIKE": "debian"}, "apt-get install linux-headers-6.1"),
        ({"ID": "linuxmint", "ID_LIKE": "ubuntu debian"}, "apt-get install linux-headers-6.1"),
        ({"ID": "fedora"}, "dnf install kernel-devel-6.1"),
        ({"ID": "rocky", "ID_LIKE": "rhel centos fedora"}, "dnf install kernel-devel-6.1"),
        ({"ID": "opensuse-leap", "ID_LIKE": "suse opensuse"}, "zypper install kernel-default-devel"),
        ({"ID": "plan9"}, ""),
        ({}, ""),
    ],
)
def test_the_package_of_the_headers_is_named_as_the_distribution_does(
    os_release: dict[str, str], headers: str
) -> None:
    assert remedy_for(distribution_names(os_release), "6.1") == headers


def test_the_headers_release_is_the_one_that_the_kernel_says() -> None:
    assert parse_uts_release('#define UTS_RELEASE "6.1.0-56-amd64"\n') == "6.1.0-56-amd64"
    assert parse_uts_release("") == ""


def test_an_option_of_the_kernels_configuration() -> None:
    text = 'CONFIG_CC_VERSION_TEXT="gcc-12 12.2.0"\nCONFIG_CC_IS_GCC=y\n# CONFIG_CC_IS_CLANG is not set\n'
    assert parse_config(text, "CONFIG_CC_IS_GCC") == "y"
    assert parse_config(text, "CONFIG_CC_VERSION_TEXT") == "gcc-12 12.2.0"
    assert parse_config(text, "CONFIG_CC_IS_CLANG") == ""


def test_installed_modules_are_found_wherever_a_distribution_puts_them(tmp_path: Path) -> None:
    for path in (
        "6.1/updates/dkms/tukur_cpu.ko",
        "6.2/extra/tukur_cpu.ko.xz",
        "6.3/updates/tukur/tukur_cpu.ko.zst",
    ):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).touch()
    (tmp_path / "6.4/updates").mkdir(parents=True)
    assert installed_for(tmp_path) == ["6.1", "6.2", "6.3"]
    assert installed_for(tmp_path / "none") == []


def test_who_has_the_files_open_is_found_with_name_and_number(tmp_path: Path) -> None:
    for pid, name, targets in (
        (7, "agent", ["/proc/tukur_tasks", "/proc/tukur_events"]),
        (8, "sh", ["/dev/null"]),
    ):
        folder = tmp_path / str(pid) / "fd"
        folder.mkdir(parents=True)
        (folder.parent / "comm").write_text(f"{name}\n")
        for number, target in enumerate(targets):
            (folder / str(number)).symlink_to(target)
    (found,) = openers(["/proc/tukur_tasks", "/proc/tukur_events", "/proc/tukur_ram"], tmp_path)
    assert (found.pid, found.name, found.files) == (7, "agent", ["/proc/tukur_events", "/proc/tukur_tasks"])


def test_this_machine_has_a_state() -> None:
    state = machine_state()
    assert state.release == os.uname().release
    assert state.has_modules is Path("/proc/modules").exists()


def test_the_sources_are_in_the_checkout() -> None:
    folder = source_folder()
    assert folder is not None
    assert (folder / "module" / "dkms.conf").is_file()
