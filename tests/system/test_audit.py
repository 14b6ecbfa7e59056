"""The audit log from the command line, on a real data directory."""

import json
import sqlite3
from pathlib import Path

from tests.support.running import tukur
from tukur.hub.store.backends.sqlite import DATABASE


def audit(action: str, data: Path) -> tuple[int, str]:
    done = tukur("audit", action, "--data", str(data))
    assert done.stderr == ""
    return done.returncode, done.stdout


def change(data: Path, statement: str) -> None:
    connection = sqlite3.connect(data / DATABASE)
    with connection:
        connection.execute(statement)
    connection.close()


def test_what_commands_do_is_told_and_a_change_of_it_found(tmp_path: Path) -> None:
    tukur("token", "create", "--name", "ci", "--data", str(tmp_path))
    tukur("token", "revoke", "ci", "--data", str(tmp_path))
    tukur("sign-in-link", "--data", str(tmp_path))
    code, lines = audit("export", tmp_path)
    entries = [json.loads(line) for line in lines.splitlines()]
    assert code == 0
    assert [entry["action"] for entry in entries][:2] == ["token.create", "token.revoke"]
    assert all(entry["actor"].startswith("local:") for entry in entries)
    assert "ci" in {entry["target"] for entry in entries}
    code, told = audit("verify", tmp_path)
    assert code == 0
    assert "all unchanged, none missing" in told
    change(tmp_path, "update audit set actor = 'nobody' where seq = 1")
    code, told = audit("verify", tmp_path)
    assert code == 1
    assert "entry 1 was altered" in told
    assert "the log has been altered" in told


def test_a_log_that_was_cut_at_its_end_is_found(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        tukur("token", "create", "--name", name, "--data", str(tmp_path))
    change(tmp_path, "delete from audit where seq = 3")
    code, told = audit("verify", tmp_path)
    assert code == 1
    assert "the entries after 2 are missing: there were 3" in told


def test_the_keys_of_the_log_are_their_owners_alone(tmp_path: Path) -> None:
    tukur("token", "create", "--name", "a", "--data", str(tmp_path))
    for name in ("audit.key", "audit.head"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
