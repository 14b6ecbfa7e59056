"""The kernel modules' sources, as the wheel carries them for ``tukur module install``."""

from pathlib import Path

_KINDS = ("*.c", "*.h", "Kbuild", "Makefile", "dkms.conf")


def sources(root: Path) -> list[Path]:
    """What is needed to build them, and nothing that a build left there; `root` is the checkout."""
    folder = root / "native" / "module"
    found = [path for kind in _KINDS for path in folder.glob(kind) if not path.name.endswith(".mod.c")]
    return [*sorted(found), root / "native" / "include" / "tukur_record.h"]
