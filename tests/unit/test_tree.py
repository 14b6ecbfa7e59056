"""The tests' tree mirrors the source's, so that a reader finds the one from the other."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_unit_test_folder_mirrors_a_package() -> None:
    packages = {
        path.parent.relative_to(ROOT / "src" / "tukur") for path in (ROOT / "src").rglob("__init__.py")
    }
    folders = {
        path.parent.relative_to(ROOT / "tests" / "unit")
        for path in (ROOT / "tests" / "unit").rglob("test_*.py")
    }
    assert folders - packages - {Path("build_tools"), Path("bench")} == set()


def test_every_package_has_unit_tests() -> None:
    without = {"hub/web"}
    for package in (ROOT / "src" / "tukur").iterdir():
        if (package / "__init__.py").exists() and package.name not in without:
            assert list((ROOT / "tests" / "unit" / package.name).rglob("test_*.py")), package.name
