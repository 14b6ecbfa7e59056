"""The texts that instances carry as metadata: start scripts and the Compose file, each in one piece."""

from pathlib import Path
from typing import Literal

_HERE = Path(__file__).resolve().parent
_COMPOSE = "deploy/compose/compose.yaml"


def startup_script(machine: Literal["platform", "member"]) -> str:
    """The value of the attribute `startup-script`; the script says which others it reads."""
    # What starts a file for a shell of its own is not needed within another.
    common = _read("google.sh").partition("\n")[2]
    return _read(f"{machine}.sh").replace("@GOOGLE@\n", common)


def compose_file() -> str:
    """The value of the attribute `tukur-compose`: beside this file in a wheel, else in the checkout."""
    packed = _HERE / "compose.yaml"
    path = packed if packed.exists() else _HERE.parents[3] / _COMPOSE
    return path.read_text(encoding="utf-8")


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
