"""A second machine's agent, as a process of its own, joins a real hub over TLS and is seen."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.certificates import make_authority, sign
from tests.support.running import TUKUR, Up, on_another_boot, running, the_host, tukur
from tests.support.waiting import eventually
from tukur.agent.joining.identity import JoinedFile
from tukur.cli.errors import Exit
from tukur.protocol.join_token import JoinToken


@pytest.fixture(scope="module")
def client(up: Up) -> Iterator[httpx.Client]:
    signed_in = up.sign_in()
    yield signed_in
    signed_in.close()


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with running(tmp_path_factory.mktemp("joining") / "hub", "--host", "0.0.0.0") as started:
        yield started


def new_token(up: Up, *options: str) -> str:
    made = tukur("join-token", "create", "--data", str(up.data), *options)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def join(up: Up, folder: Path, token: str, *options: str) -> "subprocess.CompletedProcess[str]":
    return tukur("agent", "join", up.url, token, "--data", str(folder), *options)


CLONE_BOOT = "99999999-0000-0000-0000-000000000001"


@contextlib.contextmanager
def agent(folder: Path, boot_id: str = "") -> Iterator["subprocess.Popen[bytes]"]:
    """An agent of a machine that joined; with `boot_id` it is another machine, as far as it can see."""
    command = [*TUKUR, "agent", "run", "--data", str(folder)]
    if boot_id:
        command = on_another_boot(command, folder, boot_id)
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        assert process.wait(15) == 0


def host(client: httpx.Client, name: str) -> dict[str, Any] | None:
    try:
        hosts: list[dict[str, Any]] = client.get("/api/hosts").json()["hosts"]
    except (httpx.HTTPError, KeyError):
        return None
    return next((one for one in hosts if one["name"] == name and one["online"]), None)


def test_a_machine_that_joined_is_watched_beside_the_hubs_own(
    up: Up, client: httpx.Client, tmp_path: Path
) -> None:
    joined = join(up, tmp_path / "agent", new_token(up), "--hostname", "second")
    assert joined.returncode == 0, joined.stderr
    with agent(tmp_path / "agent"):

        def recorded() -> bool:
            hosts = client.get("/api/hosts").json()["hosts"]
            return len(hosts) > 1 and all(one["online"] and one["last_ms"] for one in hosts)

        eventually(recorded, 30, "both hosts are online and recorded")


def test_a_token_serves_once_and_the_second_is_told_why(up: Up, tmp_path: Path) -> None:
    token = new_token(up, "--label", "once")
    assert join(up, tmp_path / "one", token).returncode == 0
    refused = join(up, tmp_path / "two", token)
    assert refused.returncode == Exit.JOIN_REFUSED
    assert "no uses left" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert not (tmp_path / "two" / "joined.json").exists()
    listed = tukur("join-token", "list", "--data", str(up.data)).stdout
    assert "once\t0 of 1 uses left" in listed
    assert token not in listed


def test_a_revoked_token_lets_nobody_in(up: Up, tmp_path: Path) -> None:
    token = new_token(up, "--label", "gone", "--uses", "5")
    assert tukur("join-token", "revoke", "gone", "--data", str(up.data)).returncode == 0
    refused = join(up, tmp_path / "agent", token)
    assert refused.returncode == Exit.JOIN_REFUSED
    assert "unknown join token" in refused.stderr


def test_what_else_goes_wrong_is_one_line_with_its_exit_code(up: Up, tmp_path: Path) -> None:
    token = new_token(up)
    other = JoinToken(bytes(24), bytes(32)).text()
    nowhere = ("agent", "join", "https://127.0.0.1:9", token, "--data", str(tmp_path / "a"))
    plain = ("agent", "join", "http://hub.example", token, "--data", str(tmp_path / "a"))
    for done, code, words in (
        (tukur(*nowhere), Exit.HUB_UNREACHABLE, "cannot be reached"),
        (tukur(*plain), Exit.USAGE, "https://HOST[:PORT][/PATH] expected"),
        (join(up, tmp_path / "a", token[:-1]), Exit.USAGE, "copied whole"),
        (join(up, tmp_path / "a", other), Exit.HUB_NOT_TRUSTED, "is not the hub of this token"),
        (tukur("agent", "run", "--data", str(tmp_path / "a")), Exit.USAGE, "has not joined a hub"),
    ):
        assert done.returncode == code, done.stderr
        assert words in done.stderr
        assert "Traceback" not in done.stderr
        assert token not in done.stderr


def test_a_machine_joins_anew_only_when_told_to(up: Up, tmp_path: Path) -> None:
    token = new_token(up, "--uses", "2")
    assert join(up, tmp_path / "agent", token).returncode == 0
    before = (tmp_path / "agent" / "joined.json").read_bytes()
    assert join(up, tmp_path / "agent", token).returncode == Exit.FAILED
    assert (tmp_path / "agent" / "joined.json").read_bytes() == before
    assert join(up, tmp_path / "agent", token, "--again").returncode == 0
    assert (tmp_path / "agent" / "joined.json").read_bytes() != before


def test_the_key_is_rotated_while_the_agent_runs_without_a_gap(
    up: Up, client: httpx.Client, tmp_path: Path
) -> None:
    assert join(up, tmp_path / "agent", new_token(up), "--hostname", "rotating").returncode == 0
    with agent(tmp_path / "agent"):
        eventually(lambda: host(client, "rotating"), 20, "the host is online")
        rotated = tukur("agent", "rotate-key", "--data", str(tmp_path / "agent"))
        assert rotated.returncode == 0, rotated.stderr
        assert host(client, "rotating")
        up.kill("hub")
        eventually(lambda: host(client, "rotating"), 40, "the host is online again, by its new key")


def test_a_revoked_host_goes_at_once_and_comes_back_only_by_joining_anew(
    up: Up, client: httpx.Client, tmp_path: Path
) -> None:
    folder = tmp_path / "agent"
    assert join(up, folder, new_token(up), "--hostname", "leaving").returncode == 0
    with agent(folder):
        eventually(lambda: host(client, "leaving"), 20, "the host is online")
        revoked = tukur("host", "revoke", "leaving", "--data", str(up.data))
        assert revoked.returncode == 0, revoked.stderr
        eventually(lambda: host(client, "leaving") is None, 1, "its connection has ended")
        assert "leaving\trevoked" in tukur("host", "list", "--data", str(up.data)).stdout
    rotated = tukur("agent", "rotate-key", "--data", str(folder))
    assert rotated.returncode == Exit.JOIN_REFUSED
    assert join(up, folder, new_token(up), "--hostname", "returned", "--again").returncode == 0
    with agent(folder):
        eventually(lambda: host(client, "returned"), 20, "the new host is online")


def test_a_cloned_disk_is_noticed_and_held_until_somebody_decides(
    up: Up, client: httpx.Client, tmp_path: Path
) -> None:
    folder, clone = tmp_path / "agent", tmp_path / "clone"
    assert join(up, folder, new_token(up), "--hostname", "original").returncode == 0
    shutil.copytree(folder, clone)
    with agent(folder):
        eventually(lambda: host(client, "original"), 20, "the host is online")
        first = str((host(client, "original") or {})["boot_id"])
        with agent(clone, boot_id=CLONE_BOOT):
            eventually(lambda: (host(client, "original") or {}).get("held"), 20, "the clone is noticed")
            listed = tukur("host", "list", "--data", str(up.data)).stdout
            assert f"boot {CLONE_BOOT}" in listed
            assert (host(client, "original") or {})["boot_id"] == first
            decided = tukur("host", "release", "original", "--boot", CLONE_BOOT, "--data", str(up.data))
            assert decided.returncode == 0, decided.stderr

            def taken_over() -> bool:
                shown = host(client, "original") or {}
                return shown.get("boot_id") == CLONE_BOOT and bool(shown.get("held"))

            eventually(taken_over, 60, "the clone is the host, and the original is held")


def test_the_authority_is_replaced_under_a_running_fleet_and_nobody_joins_anew(tmp_path: Path) -> None:
    with running(tmp_path / "hub", "--host", "0.0.0.0") as up:
        for name in ("present", "absent"):
            assert join(up, tmp_path / name, new_token(up), "--hostname", name).returncode == 0
        before = (tmp_path / "absent" / "joined.json").read_bytes()
        pinned = JoinedFile(tmp_path / "present")
        with agent(tmp_path / "present"), contextlib.closing(up.sign_in()) as client:
            eventually(lambda: host(client, "present"), 20, "the one host is online")
            rotated = tukur("ca", "rotate", "--data", str(up.data))
            assert rotated.returncode == 0, rotated.stderr
            assert len(tukur("ca", "status", "--data", str(up.data)).stdout.splitlines()) == 2
            eventually(lambda: len(pinned.load().authorities or ()) == 2, 5, "it trusts both authorities")
        assert (tmp_path / "absent" / "joined.json").read_bytes() == before
        link = tukur("sign-in-link", "--data", str(up.data)).stdout
        with contextlib.closing(up.sign_in_by(link)) as client:
            with agent(tmp_path / "absent"):
                eventually(lambda: host(client, "absent"), 20, "who was away finds its way by the old trust")
            assert tukur("ca", "retire", "--data", str(up.data)).returncode == 0
            for name in ("present", "absent"):
                with agent(tmp_path / name):
                    eventually(lambda name=name: host(client, name), 20, f"{name} is online by the new trust")  # type: ignore[misc]


def test_the_order_key_is_replaced_and_every_host_follows_also_one_that_was_away(tmp_path: Path) -> None:
    with running(tmp_path / "hub", "--host", "0.0.0.0") as up:
        files = {name: JoinedFile(tmp_path / name) for name in ("present", "absent")}
        for name in files:
            assert join(up, tmp_path / name, new_token(up), "--hostname", name).returncode == 0
        with agent(tmp_path / "present"), contextlib.closing(up.sign_in()) as client:
            eventually(lambda: host(client, "present"), 20, "the one host is online")
            rotated = tukur("order-key", "rotate", "--data", str(up.data))
            assert rotated.returncode == 0, rotated.stderr
            new = bytes.fromhex(rotated.stdout.split("\t")[0])
            eventually(lambda: files["present"].load().order_key == new, 5, "who is there follows at once")
            assert tukur("order-key", "rotate", "--data", str(up.data)).returncode == 0
        newest = tukur("order-key", "status", "--data", str(up.data)).stdout.split("\t")[0]
        with agent(tmp_path / "absent"):
            led = lambda: files["absent"].load().order_key.hex() == newest  # noqa: E731
            eventually(led, 20, "who was away is led over both")


def test_a_hub_that_was_for_its_machine_alone_keeps_its_host_when_it_opens_to_others(tmp_path: Path) -> None:
    def name_and_id(up: Up) -> tuple[str, str]:
        with contextlib.closing(up.sign_in()) as client:
            found = the_host(client)
            return found["name"], found["host_id"]

    with running(tmp_path / "hub") as local:
        before = name_and_id(local)
    with running(tmp_path / "hub", "--host", "0.0.0.0") as opened:
        assert name_and_id(opened) == before


def test_with_a_given_certificate_the_hubs_own_agent_trusts_that_one(tmp_path: Path) -> None:
    authority = make_authority(tmp_path)
    certificate, key = sign(tmp_path, "given", "DNS:hub.example,IP:127.0.0.1")
    given = ("--host", "0.0.0.0", "--tls-cert", str(certificate), "--tls-key", str(key))
    with running(tmp_path / "hub", *given, authority=authority) as up:
        assert up.link.startswith(f"https://hub.example:{up.port}/sign-in")
        with contextlib.closing(up.sign_in()) as client:
            assert the_host(client)["online"]
            # By the name that its certificate was given for, too.
            by_name = client.get("/healthz", headers={"Host": f"hub.example:{up.port}"})
            assert by_name.status_code == 200
            by_another = client.get("/healthz", headers={"Host": f"other.example:{up.port}"})
            assert by_another.status_code == 421
        token = JoinToken.parse(new_token(up))
        assert token.authority is None


def test_a_certificate_that_cannot_be_used_ends_the_start_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("nonsense")
    bad = str(tmp_path / "bad.pem")
    done = tukur("up", "--data", str(tmp_path / "hub"), "--port", "9", "--tls-cert", bad, "--tls-key", bad)
    assert done.returncode == Exit.CERTIFICATE
    assert bad in done.stderr
    assert "Traceback" not in done.stderr


def test_a_hub_that_only_this_machine_reaches_makes_no_tokens(tmp_path: Path) -> None:
    with running(tmp_path / "hub") as local:
        refused = tukur("join-token", "create", "--data", str(local.data))
    assert refused.returncode == Exit.FAILED
    assert "no other machine can reach this hub" in refused.stderr
