"""One build of the modules for each kernel, one machine for each script, shared by its tests."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kernel.vm import machine, whole
from tests.kernel.vm.machine import Kernel, Outcome

Run = Callable[..., Outcome]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kernel" in metafunc.fixturenames:
        found = [] if machine.missing() else machine.kernels()
        metafunc.parametrize(
            "kernel", found or [None], ids=lambda kernel: getattr(kernel, "release", "-"), scope="session"
        )


@pytest.fixture(scope="session")
def parts(kernel: Kernel | None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    if kernel is None:
        pytest.skip(f"no virtual machine: {machine.missing()}")
    folder = tmp_path_factory.mktemp("modules")
    machine.build_modules(kernel.build, folder / "module")
    return {
        "tukur_ram.ko": folder / "module" / "tukur_ram.ko",
        "tukur_cpu.ko": folder / "module" / "tukur_cpu.ko",
        "bin/inside": machine.build_inside(folder),
    }


@pytest.fixture(scope="session")
def run(kernel: Kernel, parts: dict[str, Path]) -> Run:
    """Boots the kernel with a script; the same script again gives what it gave."""
    known: dict[str, Outcome] = {}

    def run_once(script: str, **options: object) -> Outcome:
        key = f"{script}{options}"
        if key not in known:
            known[key] = machine.boot(kernel, parts, script, **options)  # type: ignore[arg-type]
        return known[key]

    return run_once


@pytest.fixture(scope="session")
def boot(kernel: Kernel | None, parts: dict[str, Path]) -> Run:
    """Boots the kernel with this machine's Python and tukur inside."""
    if why := whole.missing():
        pytest.skip(f"no whole machine: {why}")
    assert kernel is not None

    def with_python(
        script: str, *, toolchain: bool = False, more: dict[str, Path] | None = None, **options: object
    ) -> Outcome:
        beneath = [whole.python_archive(), *([whole.toolchain_archive(kernel)] if toolchain else [])]
        return machine.boot(
            kernel,
            {**parts, **(more or {})},
            script,
            timeout=600,
            memory="2G",
            beneath=beneath,
            **options,  # type: ignore[arg-type]
        )

    return with_python
