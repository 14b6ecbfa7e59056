"""What the wheel carries of the kernel modules."""

from pathlib import Path

from build_tools.modules import sources

ROOT = Path(__file__).resolve().parents[3]


def test_the_sources_are_all_there_and_nothing_that_a_build_left(tmp_path: Path) -> None:
    folder = tmp_path / "native" / "module"
    folder.mkdir(parents=True)
    for name in ("a.c", "a.h", "a.o", "a.ko", "a.mod.c", "Kbuild", "Makefile", "dkms.conf", "Module.symvers"):
        (folder / name).touch()
    names = [path.name for path in sources(tmp_path)]
    assert names == ["Kbuild", "Makefile", "a.c", "a.h", "dkms.conf", "tukur_record.h"]


def test_every_source_of_the_checkout_is_among_them() -> None:
    found = sources(ROOT)
    assert all(path.is_file() for path in found)
    assert {"tukur_ram.c", "cpu_main.c", "tukur_record.h", "dkms.conf"} <= {path.name for path in found}
