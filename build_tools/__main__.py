"""``python -m build_tools``: builds everything into the checkout."""

from pathlib import Path

from build_tools import ebpf, page

root = Path(__file__).resolve().parent.parent
ebpf.compile_all(root)
page.build(root)
