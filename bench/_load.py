"""A load of known size: any number of idle processes, some of them busy a tenth of the time."""

import contextlib
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

_FORKER = r"""
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void spin_ms(long ms)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	long until = t.tv_sec * 1000 + t.tv_nsec / 1000000 + ms;
	do
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	while (t.tv_sec * 1000 + t.tv_nsec / 1000000 < until);
}

int main(int argc, char **argv)
{
	int count = atoi(argv[1]), busy = argc > 2 ? atoi(argv[2]) : 0;
	char last;

	for (int at = 0; at < count; at++) {
		pid_t pid = fork();
		if (pid < 0) {
			perror("fork");
			kill(0, SIGKILL);
		}
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			prctl(PR_SET_NAME, at < busy ? "load-busy" : "load-idle");
			while (at < busy) {
				spin_ms(5);
				usleep(45000);
			}
			for (;;)
				pause();
		}
	}
	puts("ready");
	fflush(stdout);
	while (read(0, &last, 1) > 0)
		;
	/* Its own process group: the children and itself. */
	signal(SIGTERM, SIG_IGN);
	kill(0, SIGTERM);
	while (wait(0) > 0)
		;
	return 0;
}
"""


@contextlib.contextmanager
def processes(count: int, busy: int = 0) -> Iterator[None]:
    """While entered, `count` more processes live, `busy` of them for 5 ms of CPU time in each 50 ms.

    Each is a fork of one static C program, so that ten thousand need some hundred MiB at most.
    Raises RuntimeError where they cannot be started.
    """
    with tempfile.TemporaryDirectory(prefix="tukur-load-") as folder:
        program = compile_load(Path(folder))
        with subprocess.Popen(
            [str(program), str(count), str(busy)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        ) as forker:
            assert forker.stdin is not None
            assert forker.stdout is not None
            try:
                if forker.stdout.readline() != b"ready\n":
                    raise RuntimeError(f"{count} processes could not be started; see pid_max and ulimit -u")
                yield
            finally:
                forker.stdin.close()
                forker.wait(60)


def compile_load(folder: Path) -> Path:
    """The program that `processes` runs, or the one that TUKUR_BENCH_LOAD names. Raises RuntimeError."""
    if made := os.environ.get("TUKUR_BENCH_LOAD"):
        return Path(made)
    source = folder / "load.c"
    source.write_text(_FORKER)
    return compile_static(source, folder / "tukur-load")


def compile_static(source: Path, program: Path) -> Path:
    """The program, made without the system's compiler or libraries. Raises RuntimeError."""
    command = [sys.executable, "-m", "ziglang", "cc", "-target", _target(), "-O1", "-static"]
    done = subprocess.run(
        [*command, str(source), "-o", str(program)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{source.name} does not compile:\n{done.stderr}")
    return program


def _target() -> str:
    return f"{platform.machine()}-linux-musl"
