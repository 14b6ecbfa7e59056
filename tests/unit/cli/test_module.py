"""`tukur module`: its options, what it writes, what it says."""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import pytest

from tukur import __version__
from tukur.cli import main, module
from tukur.cli.errors import CommandError, Exit
from tukur.cli.module import parameters_of, status_lines
from tukur.cli.module_steps import Parameters, settings_text, stage
from tukur.sources.module import kmod_messages
from tukur.sources.module.kmod import DkmsEntry, Loaded, machine_state, source_folder

ROOT = Path(__file__).resolve().parents[3]


def options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    module.arguments(parser)
    return parser.parse_args(["install", *words])


def test_without_options_the_modules_choose() -> None:
    assert parameters_of(options()) == Parameters({}, {})


def test_options_become_the_modules_parameters() -> None:
    words = ["--proc-name-ram", "ram_202004725", "--proc-name-cpu", "cpu_202004725", "--access", "1"]
    parameters = parameters_of(options(*words, "--gid", "root", "--events-kib", "1024"))
    assert parameters.ram == {"access": "1", "gid": "0", "proc_name": "ram_202004725"}
    assert parameters.cpu == {"access": "1", "gid": "0", "proc_name": "cpu_202004725", "events_kib": "1024"}
    assert settings_text(parameters) == (
        "# Written by `tukur module install`.\n"
        "options tukur_ram access=1 gid=0 proc_name=ram_202004725\n"
        "options tukur_cpu access=1 gid=0 proc_name=cpu_202004725 events_kib=1024\n"
    )


@pytest.mark.parametrize(
    "words",
    [
        ("--gid", "no-such-group"),
        ("--gid", "4294967295"),
        ("--events-kib", "5"),
        ("--events-kib", "4"),
        ("--events-kib", "-8"),
        ("--events-kib", "2097152"),
        ("--proc-name-ram", ""),
        ("--proc-name-ram", "1ram"),
        ("--proc-name-ram", "_"),
        ("--proc-name-cpu", "a/b"),
        ("--proc-name-cpu", "a b"),
        ("--proc-name-cpu", "x" * 64),
        ("--proc-name-cpu", "né"),
    ],
)
def test_a_wrong_option_is_wrong_usage(words: tuple[str, str]) -> None:
    with pytest.raises(CommandError) as caught:
        parameters_of(options(*words))
    assert caught.value.exit_code is Exit.USAGE


def test_the_sources_are_laid_out_as_dkms_builds_them(tmp_path: Path) -> None:
    sources = source_folder()
    assert sources is not None
    stage(sources, tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert {"Kbuild", "Makefile", "dkms.conf", "tukur_ram.c", "include"} <= names
    assert not [name for name in names if name.endswith((".o", ".ko", ".mod.c"))]
    assert (tmp_path / "include" / "tukur_record.h").is_file()


def test_dkms_and_the_modules_tell_this_version() -> None:
    folder = ROOT / "native" / "module"
    assert f'PACKAGE_VERSION="{__version__}"' in (folder / "dkms.conf").read_text()
    for name in ("tukur_ram.c", "cpu_main.c"):
        assert f'MODULE_VERSION("{__version__}")' in (folder / name).read_text()


def test_status_tells_what_is_loaded_installed_and_chosen() -> None:
    state = replace(
        machine_state(),
        loaded=[Loaded("tukur_ram", "0.1.0", {"access": "2"}, ["/proc/ram_1"])],
        installed_for=["6.1.0"],
        dkms_entries=[DkmsEntry("0.1.0", "6.1.0", "installed"), DkmsEntry("0.0.9", "", "added")],
        lockdown="integrity",
        secure_boot=True,
        sig_enforce=False,
    )
    text = "\n".join(status_lines(state, ["no make"], "bpf"))
    for line in (
        "tukur_ram 0.1.0: loaded, /proc/ram_1; access=2",
        "tukur_cpu: not loaded",
        "installed for: 6.1.0",
        "DKMS: 0.1.0 6.1.0 installed, 0.0.9 added",
        "signatures: needed (lockdown=integrity); Secure Boot on, lockdown integrity, module.sig_enforce off",
        "obstacle to installing: no make",
        "the agent would choose: bpf",
    ):
        assert line in text


def test_status_is_there_for_a_program_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["module", "status", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["version"] == __version__
    assert told["machine"]["release"] == machine_state().release


@pytest.mark.skipif(Path("/proc/modules").exists(), reason="this kernel loads modules")
def test_a_kernel_without_modules_is_reported_and_what_is_used_instead(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["module", "install"]) == Exit.MODULE
    first, second = capsys.readouterr().err.splitlines()
    assert first == f"tukur module: {kmod_messages.NO_MODULES}"
    assert second.startswith("tukur uses ")
