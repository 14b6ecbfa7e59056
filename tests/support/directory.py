"""A directory service of the tests' own, which can hang and fail: a module of NSS in a mount namespace."""

import re
import shlex
from pathlib import Path

from tests.support.compiling import compiled


class Directory:
    """Names the users 70000 to 79999 ``dir-user-UID``, and knows no host."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        compiled("nss_hangs.c", folder / "libnss_hangs.so.2", "-shared", "-fPIC")
        services = Path("/etc/nsswitch.conf").read_text()
        ours = "passwd: files hangs\nhosts: files hangs\n"
        others = re.sub(r"(?m)^(passwd|hosts):.*\n", "", services)
        (folder / "nsswitch.conf").write_text(ours + others)

    def command(self, command: list[str]) -> list[str]:
        """The command, with this directory asked after /etc/passwd."""
        mount = f"mount --bind {self._folder}/nsswitch.conf /etc/nsswitch.conf"
        ours = f"LD_LIBRARY_PATH={self._folder} NSS_HANGS={self._folder}"
        return ["unshare", "--mount", "sh", "-c", f'{mount} && {ours} exec {shlex.join(command)} "$@"', "sh"]

    def hang(self, *, on: bool) -> None:
        """Whether it answers nothing."""
        self._switch("hang", on)

    def down(self, *, on: bool) -> None:
        """Whether it fails at once."""
        self._switch("down", on)

    def _switch(self, name: str, on: bool) -> None:
        if on:
            (self._folder / name).touch()
        else:
            (self._folder / name).unlink()
