"""A real hub that installs agents, for machines of the tests' own."""

import contextlib
import dataclasses
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from build_tools.installer import MANIFEST, manifest
from tests.support.machine import HERE_ADDRESS
from tests.support.running import Up, tukur
from tukur.cli.join_token import install_command
from tukur.hub.address import read_address
from tukur.protocol.join_token import JoinToken


class InstallingHub:
    """A hub with an installer, which a test may change."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.installer = folder / "installer"
        names = ("--host", "0.0.0.0", "--name", HERE_ADDRESS)
        self.up = Up(self.folder / "data", *names, "--installer", str(self.installer))
        self.client = self.up.sign_in()
        made = tukur("join-token", "create", "--data", str(self.up.data))
        assert made.returncode == 0, made.stderr
        self.token = made.stdout.strip()
        """Good for one machine."""

    def change(self, name: str, change: Callable[[str], str]) -> None:
        """Changes a file and lists it anew, as `make installer` does."""
        file = self.installer / name
        file.write_text(change(file.read_text()))
        (self.installer / MANIFEST).write_text(manifest(self.installer))

    def stop(self) -> None:
        self.client.close()
        self.up.stop()
        self.up.log_path.unlink(missing_ok=True)

    def line(self, token: str, *options: str) -> str:
        """What `tukur join-token create` tells a person to run; here one is root already."""
        address = read_address(self.up.data)
        assert address is not None
        return " ".join([install_command(address, token).replace("sudo ", ""), *options])

    def changed_token(self, **changes: bytes) -> str:
        """The token with something else in it, and a right check sum."""
        return dataclasses.replace(JoinToken.parse(self.token), **changes).text()

    def online(self, name: str = "owl") -> dict[str, Any] | None:
        """The host of that name, if it is online."""
        hosts: list[dict[str, Any]] = self.client.get("/api/hosts").json()["hosts"]
        return next((host for host in hosts if host["name"] == name and host["online"]), None)


@contextlib.contextmanager
def installing_hub(folder: Path, installer: Path) -> Iterator[InstallingHub]:
    """One for the length of a with statement, with its own copy of an installer."""
    shutil.copytree(installer, folder / "installer")
    hub = InstallingHub(folder)
    try:
        yield hub
    finally:
        hub.stop()
