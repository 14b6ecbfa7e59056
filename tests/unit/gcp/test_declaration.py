"""What a declaration may say."""

from pathlib import Path

import pytest

from tukur.gcp.declaration import load
from tukur.gcp.errors import DeclarationError

WHOLE = """
project = "my-project"
region = "europe-west1"
zone = "europe-west1-b"
name = "night-watch"
hostname = "tukur.example.org"

[images]
prefix = "docker.io/somebody"
version = "0.1.0"

[platform]
machine = "e2-standard-2"
data-disk-gb = 200
snapshot-days = 30

[group]
machine = "n2-standard-4"
min = 2
max = 8
cpu-percent = 75
ram-percent = 80
scale-in-max = 2
zones = ["europe-west1-b", "europe-west1-c"]
"""
LEAST = 'project = "my-project"\nregion = "europe-west1"\nzone = "europe-west1-b"\n'


def written(folder: Path, content: str) -> Path:
    path = folder / "gcp.toml"
    path.write_text(content, encoding="utf-8")
    return path


def test_the_defaults_are_one_to_four_machines_at_sixty_percent(tmp_path: Path) -> None:
    group = load(written(tmp_path, LEAST)).group
    assert (group.min, group.max, group.cpu_percent, group.ram_percent) == (1, 4, 60, None)


def test_everything_can_be_said(tmp_path: Path) -> None:
    declared = load(written(tmp_path, WHOLE))
    assert declared.group.zones == ("europe-west1-b", "europe-west1-c")
    assert (declared.platform.data_disk_gb, declared.images.version) == (200, "0.1.0")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("project = ", "is not valid TOML"),
        ("project = 'my-project'", "missing required field `region`"),
        (f"{LEAST}zones = []", "unknown key 'zones'; did you mean 'zone'?"),
        (f"{LEAST}[group]\nmaximum = 4", "unknown key 'group.maximum'; did you mean"),
        (f"{LEAST}[group]\ncpu_percent = 4", "unknown key 'group.cpu_percent'; did you mean 'cpu-percent'?"),
        (f"{LEAST}[platform]\nqqq = 4", "unknown key 'platform.qqq'; one of machine, boot-disk-gb"),
        (f"{LEAST}[group]\nmax = 'four'", "group.max: Expected `int`, got `str`"),
        (f"{LEAST}[group]\nmin = 0", "group.min: Expected `int` >= 1"),
        (f"{LEAST}[group]\ncpu-percent = 101", "group.cpu-percent: Expected `int` <= 100"),
        (f"{LEAST}[group]\nmin = 5", "group.max is 4; at least group.min, 5, expected"),
        (f"{LEAST}[group]\nzones = ['us-central1-a']", "group.zones is us-central1-a; a zone of the region"),
        (LEAST.replace("west1-b", "west4-b"), "zone is europe-west4-b; a zone of the region europe-west1"),
        (LEAST.replace("my-project", "My Project"), "project: Expected `str` matching regex"),
        (f"name = 'a-name-that-is-too-long'\n{LEAST}", "name: Expected `str` matching regex"),
        (f"hostname = 'https://x.org'\n{LEAST}", "hostname: Expected `str` matching regex"),
        (f"{LEAST}group = 4", "group: Expected `object`, got `int`"),
    ],
)
def test_what_is_wrong_is_one_line_that_names_it(tmp_path: Path, content: str, said: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(DeclarationError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_no_text_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="cannot be read: No such file"):
        load(tmp_path / "none.toml")
    (tmp_path / "gcp.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(DeclarationError, match="is not valid TOML"):
        load(tmp_path / "gcp.toml")
