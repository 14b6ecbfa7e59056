"""The tests' tree mirrors the source's, so that a reader finds the one from the other."""

import ast
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "src" / "tukur"
TESTS = ROOT / "tests"


def elsewhere_of() -> dict[str, list[str]]:
    """Module to test files, as ``tests/tested_elsewhere.toml`` has them."""
    packages = tomllib.loads((TESTS / "tested_elsewhere.toml").read_text(encoding="utf-8"))
    return {
        f"{package}/{module}": files
        for package, modules in packages.items()
        for module, files in modules.items()
    }


def mirrored(module: Path) -> Path:
    """Where the unit tests of a module belong."""
    return TESTS / "unit" / module.parent / f"test_{module.name}"


def has_functions(module: Path) -> bool:
    """Whether there is anything to run: a list of constants or messages has no test of its own."""
    tree = ast.parse((SOURCES / module).read_text(encoding="utf-8"))
    return any(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for node in ast.walk(tree))


def modules() -> list[Path]:
    """Those that need tests."""
    found = sorted(path.relative_to(SOURCES) for path in SOURCES.rglob("*.py"))
    return [
        module
        for module in found
        if module.stem not in ("__init__", "__main__")
        and "versions" not in module.parts
        and has_functions(module)
    ]


def test_every_module_has_its_test_file_or_a_line_that_says_where_it_is_tested() -> None:
    elsewhere = elsewhere_of()
    missing = [
        str(module) for module in modules() if not mirrored(module).exists() and str(module) not in elsewhere
    ]
    assert missing == []


def test_every_line_of_the_map_is_needed_and_names_files_that_exist() -> None:
    elsewhere = elsewhere_of()
    needed = {str(module) for module in modules() if not mirrored(module).exists()}
    assert elsewhere.keys() - needed == set()
    absent = [file for files in elsewhere.values() for file in files if not (TESTS / file).is_file()]
    assert absent == []
    assert all(elsewhere.values())


def test_every_unit_test_folder_mirrors_a_package() -> None:
    packages = {path.parent.relative_to(SOURCES) for path in SOURCES.rglob("__init__.py")}
    folders = {path.parent.relative_to(TESTS / "unit") for path in (TESTS / "unit").rglob("test_*.py")}
    assert folders - packages - {Path("build_tools"), Path("bench")} == set()
