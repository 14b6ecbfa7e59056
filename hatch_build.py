"""The wheel's one hook: compiles the eBPF programs and the page, and adds the kernel modules' sources."""

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class TukurBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Called by hatchling for each wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Makes ``src/tukur/sources/*.bpf.o``, ``src/tukur/hub/web/``, and ``tukur/native/`` in the wheel."""
        root = Path(self.root)
        sys.path.insert(0, str(root))
        try:
            from build_tools import ebpf, modules, page
        finally:
            sys.path.remove(str(root))
        ebpf.compile_all(root)
        page.build(root)
        build_data["force_include"].update(
            {str(path): f"tukur/{path.relative_to(root)}" for path in modules.sources(root)}
        )
