"""tests/system/test_start_scripts.py runs the scripts."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest

from tukur.gcp.startup.scripts import compose_file, startup_script

MACHINES: tuple[Literal["platform"], Literal["member"]] = ("platform", "member")


@pytest.mark.parametrize("name", MACHINES)
def test_a_start_script_is_one_clean_posix_script(name: Literal["platform", "member"]) -> None:
    checker = Path(sys.executable).with_name("shellcheck")
    found = subprocess.run(
        [checker, "--shell=sh", "-"],
        input=startup_script(name),
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.stdout == ""
    assert found.returncode == 0


@pytest.mark.parametrize("name", MACHINES)
def test_a_start_script_that_was_cut_off_does_nothing(name: Literal["platform", "member"]) -> None:
    text = startup_script(name)
    begun, _, last = text.rstrip().rpartition("\n")
    assert last == 'main "$@" </dev/null'
    done = subprocess.run(["sh", "-s"], input=begun, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name", MACHINES)
def test_a_start_script_lists_each_attribute_that_it_reads(name: Literal["platform", "member"]) -> None:
    head, _, body = startup_script(name).partition("set -eu\n")
    read = set(re.findall(r"attribute (tukur-[a-z-]+)", body))
    assert read
    assert set(re.findall(r"^#   (tukur-[a-z-]+) ", head, re.MULTILINE)) == read


def test_the_compose_file_is_that_of_the_checkout() -> None:
    checkout = Path(__file__).resolve().parents[4]
    assert compose_file() == (checkout / "deploy/compose/compose.yaml").read_text()
