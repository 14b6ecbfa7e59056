"""Runs on the machine that joins, as a part of install.sh: with nothing but Python's standard library.

``python fetch.py HUB FOLDER JOINED`` downloads into FOLDER what this machine needs of the hub's installer.
Who the hub is comes from the token in the environment (TUKUR_TOKEN), or, without one, from the file JOINED of
an agent that has joined. Each file is compared with its SHA-256 in the list SHA256SUMS, and the list with
the hash in the token. Prints what was fetched, or one line on standard error: what was found and expected.
"""

import base64
import errno
import hashlib
import http.client
import importlib
import json
import os
import ssl
import sys
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

MANIFEST = "SHA256SUMS"
TIMEOUT_S = 30.0
_PIECE = 1 << 20
_LARGEST_TEXT = 1 << 20
_PREFIX = "tukur-join-"
_CHECK = 4


class FetchError(Exception):
    """One line for a person."""


class Trust:
    """By what the hub and its installer are known."""

    def __init__(self, authorities: "list[bytes] | None", fingerprint: bytes | None, manifest: bytes | None):
        self.authorities = authorities
        """DER; None: the authorities of the system."""
        self.fingerprint = fingerprint
        """SHA-256 of the authority that has to be fetched first; None: it is known, or the system's."""
        self.manifest = manifest
        """SHA-256 of the list of files; None: the connection alone vouches for it."""


def trust_of_token(text: str) -> Trust:
    """The same parser as tukur.protocol.join_token, which is not here yet. Raises FetchError."""
    text = text.strip()
    packed = text.removeprefix(_PREFIX)
    try:
        data = base64.b64decode(packed + "=" * (-len(packed) % 4), altchars=b"-_", validate=True)
    except ValueError:
        data = b""
    body, check = data[:-_CHECK], data[-_CHECK:]
    if not text.startswith(_PREFIX) or not body or _checksum(body) != check:
        raise FetchError("this is not a valid join token; was it copied whole?")
    # From 5 on without a secret: for a virtual machine of Google, which shows its identity token instead.
    kinds = {1: 25, 2: 57, 3: 57, 4: 89, 5: 1, 6: 33, 7: 33, 8: 65}
    if kinds.get(body[0]) != len(body):
        raise FetchError(f"a token of kind {body[0]}, which this installer does not know")
    kind = (body[0] - 1) % 4 + 1
    if kind < 3:
        raise FetchError(
            "the hub served no installer when this token was created; create a new one "
            "(`tukur join-token create`)"
        )
    if kind == 3:
        return Trust(None, None, body[1:33])
    return Trust(None, body[1:33], body[33:65])


def _checksum(body: bytes) -> bytes:
    return hashlib.sha256(b"tukur join token" + body).digest()[:_CHECK]


def trust_of_joined(path: Path) -> Trust:
    """What an agent that has joined already trusts. Raises FetchError."""
    try:
        known = json.loads(path.read_text(encoding="utf-8"))["authorities"]
    except FileNotFoundError as error:
        raise FetchError(
            "no join token given, and this machine has not joined a hub; "
            "TOKEN expected (`tukur join-token create`)"
        ) from error
    except (OSError, ValueError, KeyError) as error:
        raise FetchError(f"{path} cannot be read: {error}") from error
    return Trust(None if known is None else [base64.b64decode(one) for one in known], None, None)


class Hub:
    """Downloads over verified connections. Every method raises FetchError."""

    def __init__(self, url: str, trust: Trust) -> None:
        self.url = url.rstrip("/")
        self._parts = urllib.parse.urlsplit(self.url)
        authorities = trust.authorities
        if trust.fingerprint is not None:
            authorities = [self._authority(trust.fingerprint)]
        self._context = _context(authorities)

    def _authority(self, fingerprint: bytes) -> bytes:
        # Nothing secret is said on this connection, and what comes is checked by its hash.
        unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        unverified.check_hostname = False
        unverified.verify_mode = ssl.CERT_NONE
        content = b"".join(self._get("/ca.pem", unverified))
        for piece in content.decode("ascii", "replace").split("-----BEGIN CERTIFICATE-----")[1:]:
            try:
                der = base64.b64decode("".join(piece.partition("-----END")[0].split()), validate=True)
            except ValueError:
                continue
            if hashlib.sha256(der).digest() == fingerprint:
                return der
        raise FetchError(f"{self.url} is not the hub of this token: it has another authority")

    def text(self, name: str) -> bytes:
        """A small file."""
        content = b""
        for piece in self._get(f"/install/{name}", self._context):
            content += piece
            if len(content) > _LARGEST_TEXT:
                raise FetchError(f"{name} of {self.url} is larger than {_LARGEST_TEXT} bytes")
        return content

    def download(self, name: str, sha256: str, folder: Path) -> Path:
        """A file, which has this hash or is not kept."""
        path, digest = folder / name, hashlib.sha256()
        try:
            with path.open("wb") as file:
                for piece in self._get(f"/install/{name}", self._context):
                    digest.update(piece)
                    file.write(piece)
        except OSError as error:
            raise FetchError(_disk(path, error)) from error
        if digest.hexdigest() != sha256:
            path.unlink()
            raise FetchError(f"{name} is damaged: its SHA-256 is {digest.hexdigest()}, {sha256} expected")
        return path

    def _get(self, path: str, context: ssl.SSLContext) -> Iterator[bytes]:
        host, port = str(self._parts.hostname), self._parts.port or 443
        connection = http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=context)
        try:
            connection.request("GET", self._parts.path + urllib.parse.quote(path))
            response = connection.getresponse()
            if response.status == 404:
                raise FetchError(f"{self.url} has no {path}; does this hub serve an installer?")
            if response.status != 200:
                raise FetchError(f"{self.url}{path} answers {response.status}; 200 expected")
            while piece := response.read(_PIECE):
                yield piece
        except ssl.SSLCertVerificationError as error:
            raise FetchError(f"{self.url} is not to be trusted: {error.verify_message}") from error
        except (OSError, http.client.HTTPException) as error:
            raise FetchError(f"{self.url} cannot be reached: {error or 'no answer in time'}") from error
        finally:
            connection.close()


def _context(authorities: "list[bytes] | None") -> ssl.SSLContext:
    if authorities is None:
        context = ssl.create_default_context()
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        # What is pinned is enough, be it a root or not.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(cadata=b"".join(authorities))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _disk(path: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"no space left for {path.name} in {path.parent}"
    return f"{path} cannot be written: {error.strerror}"


def files_of(manifest: bytes) -> dict[str, str]:
    """The SHA-256 of each name. Raises FetchError."""
    found = {}
    for line in manifest.decode("utf-8", "replace").splitlines():
        sha256, _, name = line.partition("  ")
        if len(sha256) != 64 or not name or "/" in name or name.startswith("."):
            raise FetchError(f"{MANIFEST} has the line {line[:100]!r}; `SHA-256  NAME` expected")
        found[name] = sha256
    return found


def wheels_for_this_machine(names: "list[str]", pip: Path) -> "list[str]":
    """The wheels that this Python can install, by the rules of pip itself. Raises FetchError."""
    sys.path.insert(0, str(pip))
    tags = importlib.import_module("pip._vendor.packaging.tags")
    utils = importlib.import_module("pip._vendor.packaging.utils")
    mine = frozenset(tags.sys_tags())
    wheels = [name for name in names if name.endswith(".whl")]
    fitting = [name for name in wheels if utils.parse_wheel_filename(name)[3] & mine]
    needed = {name.split("-")[0] for name in wheels}
    missing = sorted(needed - {name.split("-")[0] for name in fitting})
    if missing:
        version = "{}.{}".format(*sys.version_info[:2])
        raise FetchError(
            f"the hub has no {missing[0]} for Python {version} on {os.uname().machine} "
            f"({os.confstr('CS_GNU_LIBC_VERSION') or 'no glibc'})"
        )
    return fitting


def fetch(url: str, folder: Path, trust: Trust) -> str:
    """Downloads and checks all that is needed; what was done. Raises FetchError."""
    hub = Hub(url, trust)
    manifest = hub.text(MANIFEST)
    found = hashlib.sha256(manifest).digest()
    if trust.manifest is not None and found != trust.manifest:
        raise FetchError(
            f"the installer of {hub.url} is not the one of this token (SHA-256 of its list: {found.hex()}, "
            f"{trust.manifest.hex()} expected); if the hub was upgraded, create a new token"
        )
    files = files_of(manifest)
    pip = next((name for name in files if name.startswith("pip-")), None)
    if pip is None or "requirements.txt" not in files:
        raise FetchError(f"{MANIFEST} of {hub.url} lists no pip or no requirements.txt")
    wheels = wheels_for_this_machine(list(files), hub.download(pip, files[pip], folder))
    for name in [name for name in files if not name.endswith(".whl") or name in wheels]:
        if name != pip:
            hub.download(name, files[name], folder)
    (folder / "id").write_text(_id([*wheels, "requirements.txt"], files), encoding="ascii")
    size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
    vouched = "the hash in the token" if trust.manifest is not None else "the authority that is trusted here"
    return f"fetched {len(wheels)} wheels ({size:.0f} MB) from {hub.url}, checked by {vouched}"


def _id(names: "list[str]", files: dict[str, str]) -> str:
    """Names what is installed: the same files are the same version, whatever else the list has."""
    return hashlib.sha256("".join(files[name] for name in sorted(names)).encode()).hexdigest()[:16]


def main() -> NoReturn:
    """0: done; 1: one line says why not."""
    url, folder, joined = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    token = os.environ.pop("TUKUR_TOKEN", "")
    try:
        sys.stdout.write(
            fetch(url, folder, trust_of_token(token) if token else trust_of_joined(joined)) + "\n"
        )
    except FetchError as error:
        sys.exit(f"tukur: {error}")
    except OSError as error:
        sys.exit(f"tukur: {_disk(folder / (error.filename or ''), error)}")
    sys.exit(0)


if __name__ == "__main__":
    main()
