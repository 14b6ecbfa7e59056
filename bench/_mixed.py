"""A load with variety: timers, a writer, a memory hog that breathes, a shell that starts short programs."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator

_TIMERS = """
import os, random, signal, time
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
for number in range(80):
    if os.fork() == 0:
        dice = random.Random(number)
        while True:
            time.sleep(dice.uniform(0.05, 4.0))
            sum(range(dice.randrange(200, 60_000)))
signal.pause()
"""
_WRITER = """
import os, random, tempfile, time
with tempfile.TemporaryFile(dir=".") as file:
    while True:
        file.seek(0)
        file.write(os.urandom(random.randrange(1, 400) * 1024))
        file.flush()
        os.fsync(file.fileno())
        time.sleep(random.uniform(0.1, 1.0))
"""
_BREATHER = """
import random, time
held = []
while True:
    held.append(bytearray(random.randrange(1, 2000) * 1024))
    if len(held) > 40:
        held.clear()
    time.sleep(0.2)
"""
_SHELL = "while true; do ls / >/dev/null; head -c 200000 /dev/zero | gzip >/dev/null; sleep {pause_s}; done"


@contextlib.contextmanager
def mixed(pause_s: float = 0.7) -> Iterator[None]:
    """While entered, some ninety processes do now and then what real ones do.

    `pause_s`: how long the shell rests between any five programs that it starts.
    """
    programs = [[sys.executable, "-c", text] for text in (_TIMERS, _WRITER, _BREATHER)]
    running = [
        subprocess.Popen(command, start_new_session=True)
        for command in [*programs, ["sh", "-c", _SHELL.format(pause_s=pause_s)]]
    ]
    try:
        yield
    finally:
        for process in running:
            subprocess.run(["pkill", "-KILL", "-s", str(process.pid)], check=False)
            process.wait()
