"""The machine's side of the installer, as a process of its own, and whoever owns the network between."""

import asyncio
import hashlib
import json
import sys
import zipfile
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path

import pip._vendor.packaging
import pytest

from tests.support.certificates import make_authority, sign
from tests.support.hub import RunningHub, running_hub
from tests.support.tls_relay import tls_relay
from tukur.hub.installer.installer import MANIFEST, Installer
from tukur.hub.tls.authority import der, fingerprint
from tukur.hub.tls.settings import TlsSettings
from tukur.protocol.join_token import JoinToken

FETCH = Path(__file__).resolve().parents[4] / "src/tukur/hub/installer/fetch.py"
PIP = "pip-1-py3-none-any.whl"

OURS = f"numpy-1-cp{sys.version_info.major}{sys.version_info.minor}-none-any.whl"
OTHERS = "numpy-1-cp27-none-win32.whl"


@pytest.fixture(scope="module")
def pip_wheel(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The part of the real pip that decides which wheel fits."""
    source = Path(pip._vendor.packaging.__file__).parent
    path = tmp_path_factory.mktemp("pip") / PIP
    with zipfile.ZipFile(path, "w") as file:
        for package in ("pip", "pip/_vendor"):
            file.writestr(f"{package}/__init__.py", "")
        for module in source.glob("*.py"):
            file.write(module, f"pip/_vendor/packaging/{module.name}")
    return path.read_bytes()


@pytest.fixture
def folder(tmp_path: Path, pip_wheel: bytes) -> Path:
    folder = tmp_path / "installer"
    folder.mkdir()
    (folder / PIP).write_bytes(pip_wheel)
    for name in (OURS, OTHERS, "requirements.txt"):
        (folder / name).write_text(name)
    write_list(folder)
    return folder


def write_list(folder: Path) -> None:
    files = sorted(path for path in folder.iterdir() if path.name != MANIFEST)
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (folder / MANIFEST).write_text("".join(lines))


@pytest.fixture
async def hub(tmp_path: Path, folder: Path) -> AsyncIterator[RunningHub]:
    own = TlsSettings(own_authority=True)
    async with running_hub(tmp_path / "hub", tls=own, installer=folder) as running:
        yield running


def token(hub: RunningHub, *, authority: bytes | None = None, installer: bytes | None = None) -> str:
    """A token of this hub; with other hashes where they are given."""
    known = authority or fingerprint(hub.parts.tls.roots[0])
    return JoinToken(bytes(24), known, installer or list_hash(hub)).text()


def list_hash(hub: RunningHub) -> bytes:
    """What a token that is created now carries."""
    assert hub.parts.settings.installer is not None
    return Installer(hub.parts.settings.installer).sha256


async def fetch(url: str, into: Path, token: str = "", joined: Path = Path("/nowhere")) -> str:
    """What it printed; empty: it failed, and what it said is in the file ``said``."""
    into.mkdir(exist_ok=True)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", str(FETCH), url, str(into), str(joined)),
        env={"TUKUR_TOKEN": token},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, error = await process.communicate()
    into.with_name("said").write_bytes(error)
    assert (process.returncode == 0) == bool(out), error
    return out.decode()


async def refusal(url: str, into: Path, token: str = "", joined: Path = Path("/nowhere")) -> str:
    """The one line that it ends with."""
    assert await fetch(url, into, token, joined) == ""
    (line,) = into.with_name("said").read_text().splitlines()
    return line


async def test_the_machine_gets_the_files_that_fit_it_and_no_others(hub: RunningHub, tmp_path: Path) -> None:
    said = await fetch(hub.url, tmp_path / "into", token(hub))
    assert "checked by the hash in the token" in said
    names = {path.name for path in (tmp_path / "into").iterdir()}
    assert names == {PIP, OURS, "requirements.txt", "id"}


async def test_a_token_without_a_secret_vouches_for_the_files_just_as_well(
    hub: RunningHub, folder: Path, tmp_path: Path
) -> None:
    without = JoinToken(b"", fingerprint(hub.parts.tls.roots[0]), list_hash(hub)).text()
    assert "checked by the hash in the token" in await fetch(hub.url, tmp_path / "into", without)
    (folder / OURS).write_bytes(b"changed")
    write_list(folder)
    assert "is not the one of this token" in await refusal(hub.url, tmp_path / "other", without)


async def test_a_hub_behind_a_path_is_fetched_from_there(folder: Path, tmp_path: Path) -> None:
    own = TlsSettings(own_authority=True)
    async with running_hub(tmp_path / "hub", tls=own, installer=folder, base_path="/tukur") as hub:
        assert await fetch(f"{hub.url}/tukur", tmp_path / "into", token(hub))


async def test_a_file_that_was_changed_on_the_hub_is_named_and_not_kept(
    hub: RunningHub, folder: Path, tmp_path: Path
) -> None:
    (folder / OURS).write_text("harmful")
    line = await refusal(hub.url, tmp_path / "into", token(hub))
    assert line.startswith(f"tukur: {OURS} is damaged: its SHA-256 is")
    assert not (tmp_path / "into" / OURS).exists()


async def test_a_list_that_was_changed_with_its_files_is_not_the_tokens(
    hub: RunningHub, folder: Path, tmp_path: Path
) -> None:
    made = token(hub)
    (folder / OURS).write_text("harmful")
    write_list(folder)
    line = await refusal(hub.url, tmp_path / "into", made)
    assert "is not the one of this token" in line
    assert list((tmp_path / "into").iterdir()) == []


async def test_a_stranger_between_machine_and_hub_cannot_serve_anything(
    hub: RunningHub, tmp_path: Path
) -> None:
    make_authority(tmp_path)
    certificate, key = sign(tmp_path, "stranger", "IP:127.0.0.1")
    async with tls_relay(hub.port, certificate, key) as port:
        # It passes the hub's authority on, and has no certificate of it.
        line = await refusal(f"https://127.0.0.1:{port}", tmp_path / "into", token(hub))
    assert "is not to be trusted" in line
    assert list((tmp_path / "into").iterdir()) == []


async def test_the_hub_of_another_token_is_refused(hub: RunningHub, tmp_path: Path) -> None:
    line = await refusal(hub.url, tmp_path / "into", token(hub, authority=bytes(32)))
    assert "is not the hub of this token" in line


async def test_a_machine_that_joined_upgrades_without_a_token_from_its_own_hub_alone(
    hub: RunningHub, tmp_path: Path
) -> None:
    joined = tmp_path / "joined.json"
    joined.write_text(json.dumps({"authorities": [b64encode(der(hub.parts.tls.roots[0])).decode()]}))
    assert "checked by the authority" in await fetch(hub.url, tmp_path / "into", "", joined)
    authority = make_authority(tmp_path)
    stranger = "".join(authority.read_text().splitlines()[1:-1])
    joined.write_text(json.dumps({"authorities": [stranger]}))
    assert "is not to be trusted" in await refusal(hub.url, tmp_path / "other", "", joined)
    # The system's authorities have not signed this hub's certificate.
    joined.write_text(json.dumps({"authorities": None}))
    assert "is not to be trusted" in await refusal(hub.url, tmp_path / "other", "", joined)


async def test_what_is_no_token_is_said_without_repeating_it(hub: RunningHub, tmp_path: Path) -> None:
    good = token(hub)
    for wrong in (good[:-1], good + "A", "nonsense", good.replace("tukur-join-", "")):
        line = await refusal(hub.url, tmp_path / "into", wrong)
        assert line == "tukur: this is not a valid join token; was it copied whole?"
    old = JoinToken(bytes(24), fingerprint(hub.parts.tls.roots[0])).text()
    assert "the hub served no installer when" in await refusal(hub.url, tmp_path / "into", old)
    assert "no join token given" in await refusal(hub.url, tmp_path / "into")


async def test_a_hub_that_does_not_answer_or_has_no_wheel_for_this_python_is_said(
    hub: RunningHub, folder: Path, tmp_path: Path
) -> None:
    assert "cannot be reached" in await refusal("https://127.0.0.1:9", tmp_path / "into", token(hub))
    (folder / OURS).unlink()
    write_list(folder)
    line = await refusal(hub.url, tmp_path / "into", token(hub))
    assert "the hub has no numpy for Python" in line
