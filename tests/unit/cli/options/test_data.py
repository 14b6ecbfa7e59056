"""The data directory."""

import argparse
import os
import stat
import subprocess
from pathlib import Path

import pytest

from tukur.cli.errors import CommandError, Exit
from tukur.cli.options.data import DataLock, data_dir, default_data_dir, host_id, secret_file


def options(path: Path) -> argparse.Namespace:
    return argparse.Namespace(data=path)


def test_it_lies_under_the_xdg_state_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_data_dir() == tmp_path / "tukur"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/ada")
    assert default_data_dir() == Path("/home/ada/.local/state/tukur")


def test_under_systemd_it_is_the_units_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/tukur-hub:/var/lib/other")
    assert default_data_dir() == Path("/var/lib/tukur-hub")
    monkeypatch.setenv("STATE_DIRECTORY", "relative")
    assert default_data_dir() == tmp_path / "tukur"


def test_it_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    folder = data_dir(options(tmp_path / "a" / "b"))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_file_in_its_place_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CommandError, match="not writable") as caught:
        data_dir(options(tmp_path / "file" / "data"))
    assert caught.value.exit_code is Exit.DATA_NOT_WRITABLE


def test_a_full_disk_has_an_exit_code_of_its_own(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small tmpfs needs root")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", tmp_path], check=True)
    try:
        (tmp_path / "data").mkdir()
        with (tmp_path / "filler").open("wb") as file, pytest.raises(OSError, match="No space"):
            file.write(bytes(64 * 1024))
            file.flush()
        with pytest.raises(CommandError, match="no space left") as caught:
            data_dir(options(tmp_path / "data"))
        assert caught.value.exit_code is Exit.DISK_FULL
    finally:
        subprocess.run(["umount", "-l", tmp_path], check=True)


def test_a_secret_is_made_once_and_read_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "key"
    assert secret_file(path, b"first") == b"first"
    assert secret_file(path, b"second") == b"first"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["key"]


def test_the_hosts_id_stays_the_same(tmp_path: Path) -> None:
    assert host_id(tmp_path) == host_id(tmp_path)
    assert len(host_id(tmp_path)) == 36


def test_a_second_hub_on_the_same_data_is_told_who_holds_it(tmp_path: Path) -> None:
    with DataLock(tmp_path):
        with pytest.raises(CommandError, match=f"in use by a hub .PID {os.getpid()}") as caught:
            DataLock(tmp_path)
        assert caught.value.exit_code is Exit.DATA_IN_USE
    with DataLock(tmp_path):
        pass
