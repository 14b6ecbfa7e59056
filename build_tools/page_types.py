"""Writes the page's list of frame fields from their Python definitions: ``web/src/lib/frame/fields.ts``.

The page derives its types from that list and checks each frame against it, so that a field is defined once, in
``tukur.records`` or ``tukur.protocol``. Also a command: ``python -m build_tools.page_types [--check]``.
"""

import dataclasses
import sys
import typing
from pathlib import Path

import numpy as np

from tukur.protocol.frames import FRAME_VERSION, decode_frame, encode_frame
from tukur.protocol.messages import Image
from tukur.records import ENDED, KTHREAD, ROW, HostRates

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "web" / "src" / "lib" / "frame" / "fields.ts"

OPTIONAL_IMAGES = ("pod", "slice")
"""Columns that agents of earlier versions do not send."""

_HOST_KINDS = {float: "number", int: "number", list[float]: "numbers"}
_IMAGE_KINDS = {bool: "boolean", int: "number", str: "string"}


def _host_fields() -> dict[str, str]:
    hints = typing.get_type_hints(HostRates)
    return {field.name: _HOST_KINDS[hints[field.name]] for field in dataclasses.fields(HostRates)}


def _row_fields() -> dict[str, str]:
    """Name to type and size in bytes, as numpy writes them: ``u4``, ``f8``."""
    return {name: ROW[name].str.lstrip("<|") for name in ROW.names or ()}


def _image_fields() -> dict[str, str]:
    """As `encode_frame` sends them: start_ns, for one, becomes text."""
    image = Image(pid=1, start_ns=1, since_ns=0, since_wall_ns=0, ppid=0, uid=0, user="", name="")
    frame = decode_frame(
        encode_frame(
            seq=0,
            key=True,
            wall_ns=0,
            boot_id="",
            host=None,
            count=0,
            rows=np.zeros(0, dtype=ROW),
            images=[image],
        )
    )
    return {name: _IMAGE_KINDS[type(column[0])] for name, column in frame.images.items()}


def _constant(name: str, comment: str, fields: dict[str, str] | dict[str, int]) -> str:
    lines = "".join(
        f"  {key}: {value},\n" if isinstance(value, int) else f'  {key}: "{value}",\n'
        for key, value in fields.items()
    )
    return f"/** {comment} */\nexport const {name} = {{\n{lines}}} as const;\n"


def render() -> str:
    """The whole file."""
    optional = ", ".join(f'"{name}"' for name in OPTIONAL_IMAGES)
    return "\n".join(
        (
            "/**\n * Generated from tukur.records and tukur.protocol by `python -m build_tools.page types`.\n"
            " * Do not edit.\n */\n"
            f"export const FRAME_VERSION = {FRAME_VERSION};\n",
            _constant("HOST_FIELDS", "HostRates: see src/tukur/records/rates.py.", _host_fields()),
            _constant("ROW_FIELDS", "ROW: type and size in bytes of each packed column.", _row_fields()),
            _constant("ROW_FLAGS", "Bits of the column `flags`.", {"kthread": KTHREAD, "ended": ENDED}),
            _constant("IMAGE_FIELDS", "The columns of `images`.", _image_fields()),
            "/** Columns that agents of earlier versions do not send. */\n"
            f"export const OPTIONAL_IMAGES = [{optional}] as const;\n",
        )
    )


def main() -> int:
    """Writes the file, or with ``--check`` compares it; the exit code."""
    text = render()
    if sys.argv[1:] == ["--check"]:
        if TARGET.is_file() and TARGET.read_text(encoding="utf-8") == text:
            return 0
        print(f"{TARGET} is stale: run `python -m build_tools.page types`", file=sys.stderr)
        return 1
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
