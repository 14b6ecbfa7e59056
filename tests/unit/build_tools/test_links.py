"""Pages that the checkout refers to exist. The build of the site checks the links inside docs/."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PAGE = re.compile(r"docs/[a-z-]+(?:/[a-z-]+)*\.(?:md|png)")
LINK = re.compile(r"\]\((?![a-z]+:|#)([^)#\s]+)")


FOLDERS = ("src", "tests", "build_tools", "bench", "native", "deploy", "web/src")
SUFFIXES = {".py", ".c", ".h", ".ts", ".svelte", ".service", ".conf"}


def test_every_page_that_a_source_file_refers_to_exists() -> None:
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in SUFFIXES]
    sources = [ROOT / "Makefile", ROOT / "pyproject.toml", *files]
    found = {(path, page) for path in sources for page in PAGE.findall(path.read_text(encoding="utf-8"))}
    assert found
    assert {pair for pair in found if not (ROOT / pair[1]).is_file()} == set()


def test_every_link_of_the_pages_beside_docs_leads_to_a_file() -> None:
    pages = [(page, page.read_text(encoding="utf-8")) for page in ROOT.glob("*.md")]
    links = {(page.name, link) for page, text in pages for link in LINK.findall(text)}
    assert links
    assert {pair for pair in links if not (ROOT / pair[1]).exists()} == set()
