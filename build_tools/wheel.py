"""``python -m build_tools.wheel [FOLDER]``: builds the wheel with what is installed here."""

import os
import sys
from pathlib import Path

from hatchling.builders.wheel import WheelBuilder


def build_wheel(root: Path, folder: Path) -> Path:
    """The wheel's path. The hook compiles what is not Python."""
    before = Path.cwd()
    os.chdir(root)
    try:
        return Path(next(iter(WheelBuilder(str(root)).build(directory=str(folder)))))
    finally:
        os.chdir(before)


if __name__ == "__main__":
    here = Path(__file__).resolve().parent.parent
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else here / "dist"
    print(build_wheel(here, target.resolve()))
