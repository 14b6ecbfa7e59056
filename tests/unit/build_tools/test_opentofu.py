"""The check of the OpenTofu module against a provider's schema, with a small schema of the tests' own."""

import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from build_tools.opentofu import MODULE, Schema, problems, resources

_SCHEMA = """
class ThingConfig:
    def __init__(self, *, count=None, depends_on=None, name, part=None, rule=None) -> None: ...
class ThingPart:
    def __init__(self, *, size, kind=None) -> None: ...
class ThingRule:
    def __init__(self, *, port=None) -> None: ...
"""


@pytest.fixture
def schema(tmp_path: Path) -> Schema:
    wheel = tmp_path / "schema.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("cdktf_cdktf_provider_google/thing/__init__.py", _SCHEMA)
    return Schema(wheel)


def problems_of(schema: Schema, folder: Path, text: str) -> list[str]:
    (folder / "main.tf").write_text(text)
    return problems(schema, folder)


def test_a_resource_that_the_provider_knows_has_no_problem(schema: Schema, tmp_path: Path) -> None:
    text = """
    resource "google_thing" "one" {
      count = 1
      name  = "one"
      part {
        size = 1
      }
      dynamic "rule" {
        for_each = [443]
        content {
          port = rule.value
        }
      }
    }
    """
    assert problems_of(schema, tmp_path, text) == []


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('naem = "one"', "google_thing.one: no argument naem"),
        ("count = 1", "google_thing.one: name is missing"),
        ('name = "one"\npart {\nkind = 1\n}', "google_thing.one.part: size is missing"),
        ('name = "one"\npart {\nsize = 1\nsise = 1\n}', "google_thing.one.part: no argument sise"),
        ('name = "one"\nprat {\n}', "google_thing.one: no argument prat"),
        (
            'name = "one"\ndynamic "rule" {\nfor_each = []\ncontent {\nprot = 1\n}\n}',
            "google_thing.one.rule: no argument prot",
        ),
    ],
)
def test_what_the_provider_does_not_know_is_found(
    schema: Schema, tmp_path: Path, content: str, problem: str
) -> None:
    found = problems_of(schema, tmp_path, f'resource "google_thing" "one" {{\n{content}\n}}\n')
    assert problem in found


def test_a_kind_that_the_provider_does_not_have_is_found(schema: Schema, tmp_path: Path) -> None:
    found = problems_of(schema, tmp_path, 'resource "google_thnig" "one" {\nname = "one"\n}\n')
    assert found == ["google_thnig.one: unknown to the provider"]


def test_the_module_is_read_whole() -> None:
    kinds = {kind for kind, _, _ in resources(MODULE)}
    assert {"google_compute_region_autoscaler", "google_compute_instance"} <= kinds


def test_the_module_is_formatted() -> None:
    program = shutil.which("tofu") or shutil.which("terraform")
    if program is None:
        pytest.skip("neither tofu nor terraform is installed")
    done = subprocess.run(
        [program, "fmt", "-check", "-diff", MODULE], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
