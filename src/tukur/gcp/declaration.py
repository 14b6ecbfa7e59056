"""The declaration: one TOML file that says what shall be there."""

import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, get_args

import msgspec
from msgspec import Meta

from tukur.gcp.errors import DeclarationError

_PROJECT = r"^[a-z][-a-z0-9]{4,28}[a-z0-9]$"
# What is made has this name with up to ten characters behind it, and a service account may have thirty.
_NAME = r"^[a-z](?:[-a-z0-9]{0,18}[a-z0-9])?$"
_WORD = r"^[a-z][-a-z0-9]{0,61}[a-z0-9]$"
_HOSTNAME = r"^(?=.{1,253}$)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)+$"

Word = Annotated[str, Meta(pattern=_WORD)]
DiskGb = Annotated[int, Meta(ge=10, le=65536)]
_DEBIAN = "projects/debian-cloud/global/images/family/debian-12"


class _Table(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """A table of the file; its keys have dashes."""


class Images(_Table, frozen=True):
    """Where the container images of tukur are."""

    prefix: Annotated[
        str, Meta(min_length=1, max_length=255, pattern=r"^[a-z0-9][-a-z0-9._:/]*[a-z0-9]$")
    ] = "docker.io/tukur"
    version: Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$")] = (
        "latest"
    )


class Platform(_Table, frozen=True):
    """The VM with hub and database."""

    machine: Word = "e2-medium"
    boot_disk_gb: DiskGb = 20
    data_disk_gb: DiskGb = 50
    snapshot_days: Annotated[int, Meta(ge=1, le=365)] = 14
    image: str = _DEBIAN


class Group(_Table, frozen=True):
    """The instance group and its autoscaler."""

    machine: Word = "e2-small"
    min: Annotated[int, Meta(ge=1, le=1000)] = 1
    max: Annotated[int, Meta(ge=1, le=1000)] = 4
    cpu_percent: Annotated[int, Meta(ge=1, le=100)] = 60
    ram_percent: Annotated[int, Meta(ge=1, le=100)] | None = None
    """Also scales on the memory that the agents report; absent: on the CPU alone."""
    warm_up_s: Annotated[int, Meta(ge=15, le=3600)] = 120
    scale_in_max: Annotated[int, Meta(ge=1, le=1000)] = 1
    """At most so many VMs are removed within `scale_in_window_s`."""
    scale_in_window_s: Annotated[int, Meta(ge=60, le=3600)] = 600
    boot_disk_gb: DiskGb = 20
    zones: tuple[Word, ...] = ()
    """Empty: Google spreads the VMs over the region's zones."""
    image: str = _DEBIAN


class Declaration(_Table, frozen=True):
    """The whole file."""

    project: Annotated[str, Meta(pattern=_PROJECT)]
    region: Word
    zone: Word
    """Of the platform's VM and its disk."""
    name: Annotated[str, Meta(pattern=_NAME)] = "tukur"
    """What is made has names that begin with it."""
    hostname: Annotated[str, Meta(pattern=_HOSTNAME)] | None = None
    """The hub's name in the DNS; absent: its address."""
    images: Images = Images()
    platform: Platform = Platform()
    group: Group = Group()


def load(path: Path) -> Declaration:
    """Reads and checks a file. Raises DeclarationError with one line."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DeclarationError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DeclarationError(f"{path}: is not valid TOML: {error}") from error
    for unknown in _unknown(content, Declaration, ""):
        raise DeclarationError(f"{path}: {unknown}")
    try:
        declaration = msgspec.convert(content, Declaration)
    except msgspec.ValidationError as error:
        raise DeclarationError(f"{path}: {_readable(str(error))}") from error
    if wrong := _contradiction(declaration):
        raise DeclarationError(f"{path}: {wrong}")
    return declaration


def _unknown(content: Mapping[str, Any], table: type[msgspec.Struct], where: str) -> Iterator[str]:
    known = {field.encode_name: field.type for field in msgspec.structs.fields(table)}
    for key, value in content.items():
        if key not in known:
            near = get_close_matches(key.replace("_", "-").lower(), known, n=1)
            more = f"; did you mean {near[0]!r}?" if near else f"; one of {', '.join(known)} expected"
            yield f"unknown key {where + key!r}{more}"
        elif isinstance(value, dict):
            inner = next((kind for kind in (known[key], *get_args(known[key])) if _is_table(kind)), None)
            if inner is not None:
                yield from _unknown(value, inner, f"{key}.")


def _is_table(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _readable(text: str) -> str:
    """``Expected `int`, got `str` - at `$.group.max` `` with the key in front."""
    said, _, place = text.partition(" - at `$.")
    return f"{place.rstrip('`')}: {said}" if place else said


def _contradiction(declared: Declaration) -> str | None:
    group = declared.group
    if group.max < group.min:
        return f"group.max is {group.max}; at least group.min, {group.min}, expected"
    for key, zone in (("zone", declared.zone), *(("group.zones", zone) for zone in group.zones)):
        if zone.rpartition("-")[0] != declared.region:
            expected = f"a zone of the region {declared.region} expected, such as {declared.region}-b"
            return f"{key} is {zone}; {expected}"
    return None
