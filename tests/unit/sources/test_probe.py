"""What `tukur doctor` finds out."""

import pytest

from tukur.sources import probe as subject
from tukur.sources.capabilities import parse_effective
from tukur.sources.probe import parse_hidepid, parse_release, probe


def test_every_finding_says_what_was_found_and_each_missing_one_how_to_mend_it() -> None:
    findings = probe()
    assert {"kernel", "BTF", "libbpf", "eBPF program", "CAP_BPF", "hidepid", "open files"} <= {
        finding.what for finding in findings
    }
    for finding in findings:
        assert finding.found, finding
        assert finding.ok or finding.remedy, finding


def test_a_look_that_fails_is_a_finding_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def _broken() -> list[subject.Finding]:
        raise OSError("no /proc here")

    monkeypatch.setattr(subject, "_LOOKS", (_broken,))
    (finding,) = probe()
    assert (finding.ok, finding.found) == (False, "no /proc here")


@pytest.mark.parametrize(
    ("release", "version"),
    [("6.1.0-18-amd64", (6, 1)), ("5.15.0", (5, 15)), ("6.18.44-x", (6, 18)), ("odd", None)],
)
def test_a_kernel_release_begins_with_its_version(release: str, version: tuple[int, int] | None) -> None:
    assert parse_release(release) == version


@pytest.mark.parametrize(
    ("options", "value"),
    [("rw", "0"), ("rw,hidepid=2", "2"), ("rw,hidepid=invisible,gid=4", "2"), ("rw,gid=4", "0")],
)
def test_hidepid_is_read_of_the_mount(options: str, value: str) -> None:
    assert parse_hidepid(f"24 1 0:22 / /proc rw,nosuid shared:5 - proc proc {options}\n") == value


def test_capabilities_are_bits() -> None:
    assert parse_effective("Name:\tx\nCapEff:\t000000c000080000\n") == {
        "CAP_BPF",
        "CAP_PERFMON",
        "CAP_SYS_PTRACE",
    }
    with pytest.raises(ValueError, match="no CapEff line"):
        parse_effective("Name:\tx\n")
