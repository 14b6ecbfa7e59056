"""``python -m tests.fuzz [TARGET ...] --minutes N``: fuzzes by coverage where atheris is there, else blindly.

Each target has its share of the time, in a process of its own. What breaks it is in ``.cache/fuzz/TARGET``.
"""

import argparse
import importlib.util
import random
import resource
import subprocess
import sys
import time
from pathlib import Path

MEMORY = 2 * 2**30
"""Bytes: a few bytes must not make a reader ask for more."""


def main() -> int:
    """1 where something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--minutes", type=float, default=1.0, help="for all targets together")
    options = parser.parse_args()
    from tests.fuzz.targets import TARGETS

    known = [target.name for target in TARGETS]
    if unknown := sorted(set(options.targets) - set(known)):
        parser.error(f"{unknown[0]!r}; one of {', '.join(known)} expected")
    chosen = options.targets or known
    seconds = options.minutes * 60 / len(chosen)
    failed = []
    for name in chosen:
        # libFuzzer ends the process that it runs in.
        child = subprocess.run([sys.executable, "-m", "tests.fuzz", "--one", name, str(seconds)], check=False)
        print(f"{name}: {'nothing found' if child.returncode == 0 else 'FOUND SOMETHING'}", flush=True)
        failed += [name] if child.returncode else []
    return 1 if failed else 0


def _fuzz(name: str, seconds: float) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    folder = Path(".cache/fuzz") / name
    (folder / "corpus").mkdir(parents=True, exist_ok=True)
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not there (uv pip install atheris): fuzzing without coverage", flush=True)
        _blindly(name, seconds)
    else:
        _by_coverage(name, seconds, folder)


def _by_coverage(name: str, seconds: float, folder: Path) -> None:
    import atheris

    with atheris.instrument_imports(include=["tukur", "msgspec"]):
        from tests.fuzz.targets import TARGETS
    target = next(each for each in TARGETS if each.name == name)
    for number, sample in enumerate(target.samples):
        (folder / "corpus" / f"sample-{number}").write_bytes(sample)
    flags = [f"-max_total_time={seconds:.0f}", "-max_len=4096", "-rss_limit_mb=0", "-timeout=20"]
    flags += [f"-artifact_prefix={folder}/", "-print_final_stats=1", "-verbosity=0"]
    atheris.Setup([sys.argv[0], *flags, str(folder / "corpus")], target.read)
    atheris.Fuzz()


def _blindly(name: str, seconds: float) -> None:
    from tests.fuzz.targets import TARGETS
    from tests.fuzz.test_fuzz import mutated

    target = next(each for each in TARGETS if each.name == name)
    dice, until, done = random.Random(), time.monotonic() + seconds, 0
    while time.monotonic() < until:
        for sample in target.samples:
            target.read(mutated(sample, dice))
            done += 1
    print(f"{name}: {done} inputs", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        _fuzz(sys.argv[2], float(sys.argv[3]))
        sys.exit(0)
    sys.exit(main())
