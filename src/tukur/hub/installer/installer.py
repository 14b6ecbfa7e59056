"""What ``curl https://HUB/install.sh | sudo sh -s -- TOKEN`` gets from a hub: a script, and a folder's files.

The folder is made by ``make installer``, also while the hub runs. Join tokens carry the hash of its list
``SHA256SUMS``: what changes after a token was created is refused by the machine that uses it.
"""

import hashlib
import re
from pathlib import Path

MANIFEST = "SHA256SUMS"
_HERE = Path(__file__).resolve().parent
_LINE = re.compile(r"[0-9a-f]{64}  ([A-Za-z0-9_][A-Za-z0-9_.+-]*)")
_URL = re.compile(r"https://[A-Za-z0-9._:\[\]-]+(/[A-Za-z0-9._~/-]*)?")


class InstallerError(Exception):
    """The folder cannot be served. The text says what was found and what was expected."""


class Installer:
    """The installer of one hub, as its folder is now."""

    def __init__(self, folder: Path) -> None:
        """Raises InstallerError."""
        self._folder = folder
        path = folder / MANIFEST
        try:
            content = path.read_bytes()
        except OSError as error:
            raise InstallerError(
                f"{path} cannot be read: {error.strerror}; `make installer` makes it"
            ) from error
        lines = content.decode("utf-8", "replace").splitlines()
        found = [_LINE.fullmatch(line) for line in lines]
        if not lines or None in found:
            raise InstallerError(f"{path} is no list of `SHA-256  NAME`; `make installer` makes one")
        self.sha256 = hashlib.sha256(content).digest()
        """Of the list, and by it of every file: what join tokens carry."""
        self._names = frozenset(match[1] for match in found if match) | {MANIFEST}

    def file(self, name: str) -> Path | None:
        """The file of that name; None: the list has none."""
        path = self._folder / name
        return path if name in self._names and path.is_file() else None


def script(url: str) -> str:
    """install.sh for a hub at this address, https://HOST[:PORT][/PATH]. Raises InstallerError.

    The address becomes a word of the script: nothing that a shell takes for more than that is let in.
    """
    if not _URL.fullmatch(url):
        raise InstallerError(f"{url[:100]!r} is no address of a hub that an agent can use; https:// expected")
    # What starts the file for a shell of its own is not needed within another.
    uninstall = _read("uninstall.sh").partition("\n")[2]
    parts = {"@UNINSTALL@": uninstall, "@FETCH@": _read("fetch.py"), "@HUB@": url.rstrip("/")}
    return re.sub("|".join(parts), lambda found: parts[found[0]], _read("install.sh"))


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
