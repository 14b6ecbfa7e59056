"""What a hub hands out to a machine that wants to install the agent."""

import hashlib
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.hub import running_hub
from tests.support.running import tukur
from tukur.cli.errors import Exit
from tukur.hub.installer.installer import MANIFEST, Installer, InstallerError, script
from tukur.hub.tls.settings import TlsSettings


def folder_with(path: Path, *names: str) -> Path:
    """A folder with these files, each holding its name, and their list."""
    path.mkdir()
    for name in names:
        (path / name).write_text(name)
    lines = [f"{hashlib.sha256(name.encode()).hexdigest()}  {name}\n" for name in names]
    (path / MANIFEST).write_text("".join(lines))
    return path


def test_only_files_of_the_list_are_handed_out(tmp_path: Path) -> None:
    folder = folder_with(tmp_path / "installer", "a.whl", "lost.whl")
    (folder / "private").write_text("not in the list")
    (folder / "lost.whl").unlink()
    installer = Installer(folder)
    assert installer.sha256 == hashlib.sha256((folder / MANIFEST).read_bytes()).digest()
    assert installer.file("a.whl") == folder / "a.whl"
    assert installer.file(MANIFEST) == folder / MANIFEST
    for name in ("private", "lost.whl", "../installer/a.whl", "", ".", ".."):
        assert installer.file(name) is None


@pytest.mark.parametrize("line", ["", "nonsense", f"{'0' * 64}  ../etc/passwd", f"{'0' * 64}  .hidden"])
def test_a_list_that_make_installer_did_not_write_is_refused(line: str, tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text(line)
    with pytest.raises(InstallerError, match=MANIFEST):
        Installer(tmp_path)


def test_a_folder_without_a_list_ends_the_hubs_start_with_its_path(tmp_path: Path) -> None:
    started = tukur("hub", "--data", str(tmp_path / "data"), "--installer", str(tmp_path), "--port", "9")
    assert started.returncode == Exit.USAGE
    assert len(started.stderr.splitlines()) == 1
    assert str(tmp_path / MANIFEST) in started.stderr


@pytest.mark.parametrize(
    "url",
    [
        "http://hub.example.org",
        "https://hub.example.org:1$(reboot)",
        "https://hub.example.org:1'; reboot; '",
        "https://hub.example.org:1\nreboot",
        "https://hub.example.org/`reboot`",
    ],
)
def test_an_address_that_a_shell_would_run_is_refused(url: str) -> None:
    with pytest.raises(InstallerError):
        script(url)


@pytest.mark.parametrize("shell", ["sh", "bash --posix"])
def test_the_script_is_one_that_a_shell_understands(shell: str) -> None:
    made = script("https://hub.example.org:8787/tukur/")
    assert "HUB='https://hub.example.org:8787/tukur'" in made
    assert "@" not in made.replace('"$@"', "").partition("PYTHON\n")[0]
    checked = subprocess.run([*shell.split(), "-n"], input=made, text=True, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8, 0.99])
def test_a_script_that_was_cut_off_on_its_way_does_nothing(share: float) -> None:
    made = script("https://127.0.0.1:9")
    # With its own arguments it would at least have said that it is to be run as root, or that they are wrong.
    cut = subprocess.run(
        ["setpriv", "--reuid", "65534", "--clear-groups", "sh", "-s", "--", "--nonsense"],
        input=made[: int(len(made) * share)],
        text=True,
        capture_output=True,
        check=False,
    )
    assert cut.stdout == ""
    assert "nonsense" not in cut.stderr
    assert "tukur:" not in cut.stderr


async def test_the_hub_serves_script_and_files_to_anybody(tmp_path: Path) -> None:
    folder = folder_with(tmp_path / "installer", "a.whl")
    (folder / "private").write_text("not in the list")
    own = TlsSettings(own_authority=True)
    async with (
        running_hub(tmp_path / "hub", tls=own, installer=folder) as hub,
        httpx.AsyncClient(base_url=hub.url, verify=hub.trust.context()) as client,
    ):
        served = await client.get("/install.sh")
        assert served.status_code == 200
        assert f"HUB='{hub.url}'" in served.text
        assert (await client.get("/install/a.whl")).content == b"a.whl"
        assert (await client.get(f"/install/{MANIFEST}")).content == (folder / MANIFEST).read_bytes()
        for name in ("private", "..%2Fhub%2Forder.key", "%2Fetc%2Fpasswd"):
            assert (await client.get(f"/install/{name}")).status_code == 404
        injected = await client.get("/install.sh", headers={"Host": "127.0.0.1:1$(reboot)"})
        assert injected.status_code == 421


async def test_behind_a_path_the_script_fetches_from_there(tmp_path: Path) -> None:
    folder = folder_with(tmp_path / "installer", "a.whl")
    own = TlsSettings(own_authority=True)
    async with (
        running_hub(tmp_path / "hub", tls=own, installer=folder, base_path="/tukur") as hub,
        httpx.AsyncClient(base_url=hub.url, verify=hub.trust.context()) as client,
    ):
        for path in ("/tukur/install.sh", "/install.sh"):
            assert f"HUB='{hub.url}/tukur'" in (await client.get(path)).text
        assert (await client.get("/tukur/install/a.whl")).content == b"a.whl"


async def test_a_hub_without_an_installer_says_so(tmp_path: Path) -> None:
    async with running_hub(tmp_path / "hub") as hub, hub.client() as client:
        for path in ("/install.sh", f"/install/{MANIFEST}"):
            answer = await client.get(path)
            assert answer.status_code == 404
            assert answer.json()["code"] == "no_installer"


def test_what_runs_on_the_other_machine_imports_nothing_that_is_not_there_yet() -> None:
    file = Path(sys.modules[Installer.__module__].__file__ or "").with_name("fetch.py")
    alone = subprocess.run(
        ["/usr/bin/python3", "-I", "-S", str(file), "https://127.0.0.1:9", "/nowhere", "/nowhere"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert alone.returncode == 1
    assert alone.stderr.startswith("tukur: no join token given")
