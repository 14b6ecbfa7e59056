"""Hooks of mkdocs: ARCHITECTURE.md becomes a page of the site, and links may lead to files beside docs/."""

import os
import re
import tomllib
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
SOURCE = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Source"]
PAGES = {"explanation/architecture.md": "ARCHITECTURE.md"}
"""Pages of the site whose text is a file of the checkout's root."""

LINK = re.compile(r"(\]\()(?![a-z]+:|#)([^)#\s]+)")


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages that lie outside docs/."""
    for uri, path in PAGES.items():
        files.append(File.generated(config, uri, content=(ROOT / path).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Rewrites links relative to the checkout: pages to their place on the site, files to the repository.

    A link to a file that does not exist is left alone, so that the strict build reports it.
    """
    uri = page.file.src_uri
    folder = (ROOT / PAGES[uri] if uri in PAGES else DOCS / uri).parent

    def rewrite(link: re.Match[str]) -> str:
        target = Path(os.path.normpath(folder / link[2]))
        if target.is_relative_to(DOCS):
            return link[1] + os.path.relpath(target, (DOCS / uri).parent)
        moved = next((page for page, path in PAGES.items() if target == ROOT / path), None)
        if moved:
            return link[1] + os.path.relpath(DOCS / moved, (DOCS / uri).parent)
        if target.is_relative_to(ROOT) and target.exists():
            kind = "tree" if target.is_dir() else "blob"
            return f"{link[1]}{SOURCE}/{kind}/main/{target.relative_to(ROOT)}"
        return link[0]

    return LINK.sub(rewrite, markdown)
