"""The start scripts of the virtual machines, in a booted machine with a metadata server and Secret Manager.

What cannot run there is a Docker daemon: a script in place of docker and docker-compose notes what it was
asked for. What Compose is given is read by the real docker-compose.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.google.identity import Instance, SigningKeys
from tests.support.google.metadata import MetadataServer, metadata_server
from tests.support.google.secret_store import ACCESS, SecretStore
from tests.support.google.server import PROJECT, Google, google
from tests.support.installing import InstallingHub, installing_hub
from tests.support.machine import HERE_ADDRESS, Machine, machine, missing
from tests.support.running import tukur
from tests.support.waiting import eventually
from tukur.gcp.startup.scripts import compose_file, startup_script

JOIN, DATABASE, ROOT_PASSWORD = "fleet-join", "fleet-database", "fleet-database-root"
GROUP = "regions/europe-west1/instanceGroupManagers/fleet"
AGENT = "tukur-agent.service"
FILES = "/etc/tukur-platform"
DOCKER = """#!/bin/sh
# In place of docker and docker-compose: notes its arguments, and does what leaves something behind.
echo "${0##*/} $*" >> /run/docker-asked
case "${0##*/} $*" in
"docker compose version") exit 1 ;;
"docker image inspect -f"*) echo sha256:1234 ;;
"docker create"*) echo container-1 ;;
"docker cp"*) mkdir "$3" && echo list > "$3/SHA256SUMS" ;;
*" up -d"*) [ -e /run/images-reachable ] || { echo "no route to the registry" >&2; exit 1; } ;;
*"exec -T hub tukur join-token create --google") cat /run/hub-token ;;
esac
"""

pytestmark = [
    pytest.mark.skipif(bool(missing()), reason=missing()),
    pytest.mark.timeout(240),
]


class Cloud:
    """A virtual machine, and what of Google it sees."""

    def __init__(self, vm: Machine, metadata: MetadataServer, compute: Google, here: MetadataServer) -> None:
        self.vm = vm
        self.metadata = metadata
        self.compute = compute
        self.here = here
        self.port = compute.url.rpartition(":")[2]
        self.secrets = SecretStore(compute, (JOIN, DATABASE, ROOT_PASSWORD))
        self._group = compute.add_group("fleet")

    def becomes_new_instance(self) -> str:
        """The machine is another VM of the group from now on; its name."""
        attributes = self.metadata.instance.attributes
        self.metadata.instance = Instance.of(self.compute.add_instance(self._group))
        self.metadata.instance.attributes = attributes
        return self.metadata.instance.name

    def hub_options(self) -> list[str]:
        """By which a hub lets the group's machines in."""
        return [
            *("--google-project", PROJECT, "--google-groups", GROUP),
            *("--google-certs-url", self.here.certs_url),
            *("--google-compute-url", f"http://127.0.0.1:{self.port}/compute/v1"),
        ]

    def boot(self, *arguments: str, within: float = 120) -> "subprocess.CompletedProcess[str]":
        """Runs the script that was put there, as the guest agent does at boot."""
        return self.vm.run(
            "/run/startup-script", *arguments, within=within, GCE_METADATA_HOST=self.metadata.address
        )

    def put(self, path: str, text: str) -> None:
        """A file that can be run."""
        self.vm.path(path).write_text(text)
        self.vm.path(path).chmod(0o755)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    keys = SigningKeys()
    instance = Instance("4711", "platform", "europe-west1-b", PROJECT)
    with (
        google(host="0.0.0.0") as compute,
        machine(tmp_path_factory.mktemp("machine")) as vm,
        metadata_server(instance, keys, host=HERE_ADDRESS) as metadata,
        # The hub's: what it trusts without TLS is on its own machine.
        metadata_server(instance, keys) as here,
    ):
        yield Cloud(vm, metadata, compute, here)


@pytest.fixture(scope="module")
def hub(
    cloud: Cloud, installer_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[InstallingHub]:
    with pytest.MonkeyPatch.context() as patch:
        # Its own machine's: from there it has the access token for its questions about the group.
        patch.setenv("GCE_METADATA_HOST", cloud.here.address)
        folder = tmp_path_factory.mktemp("hub")
        with installing_hub(folder, installer_folder, *cloud.hub_options()) as running:
            yield running


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A loop device with nothing on it."""
    image = tmp_path_factory.mktemp("disk") / "image"
    with image.open("wb") as file:
        file.truncate(64 << 20)
    made = subprocess.run(["losetup", "--find", "--show", image], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"no loop device can be had here: {made.stderr.strip()}")
    device = Path(made.stdout.strip())
    yield device
    subprocess.run(["losetup", "--detach", device], check=True)


@pytest.fixture(scope="module")
def platform(cloud: Cloud, disk: Path) -> Cloud:
    """The machine as the platform's VM before its first boot."""
    cloud.metadata.instance.attributes = {
        "tukur-hub": "https://198.51.100.7",
        "tukur-compose": compose_file(),
        "tukur-image-prefix": "registry.example.org/tukur",
        "tukur-version": "0.1.0",
        "tukur-group": GROUP,
        "tukur-join-secret": JOIN,
        "tukur-database-secret": DATABASE,
        "tukur-database-root-secret": ROOT_PASSWORD,
        "tukur-secret-manager": f"http://{HERE_ADDRESS}:{cloud.port}",
    }
    number = disk.name.removeprefix("loop")
    made = cloud.vm.sh(
        """
        mkdir -p /dev/disk/by-id /etc/systemd/system
        mknod /dev/disk/by-id/google-tukur-data b 7 "$1"
        printf '[Service]\nExecStart=/bin/sleep infinity\n' > /etc/systemd/system/docker.service
        systemctl daemon-reload
        """,
        number,
    )
    assert made.returncode == 0, made.stderr
    for name in ("docker", "docker-compose"):
        cloud.put(f"/usr/local/bin/{name}", DOCKER)
    cloud.vm.path("/run/hub-token").write_text("tukur-join-first\n")
    cloud.put("/run/startup-script", startup_script("platform"))
    return cloud


def asked(platform: Cloud, words: str) -> list[str]:
    """The commands of Docker that have these words."""
    lines = platform.vm.path("/run/docker-asked").read_text().splitlines()
    return [line for line in lines if words in line]


def test_a_disk_with_something_else_on_it_is_left_alone(platform: Cloud, disk: Path) -> None:
    subprocess.run(["mkswap", "--quiet", disk], check=True, capture_output=True)
    done = platform.boot()
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "tukur: /dev/disk/by-id/google-tukur-data holds swap; ext4 or an empty disk expected"
    ]
    assert platform.compute.calls == []
    subprocess.run(["wipefs", "--all", "--quiet", disk], check=True)


def test_the_first_boot_of_the_platform_makes_what_is_missing_and_stores_the_groups_token(
    platform: Cloud,
) -> None:
    platform.vm.path("/run/images-reachable").touch()
    done = platform.boot()
    assert done.returncode == 0, done
    for words in ("is empty; making an ext4 file system", "mounted", "containers are up", "stored the hub's"):
        assert words in done.stdout
    assert platform.vm.sh("findmnt -n -o FSTYPE /srv/tukur").stdout.strip() == "ext4"
    assert platform.vm.sh("systemctl is-active docker.service").stdout.strip() == "active"
    assert platform.secrets.versions(JOIN) == [b"tukur-join-first\n"]
    for secret, name in ((DATABASE, "database_password"), (ROOT_PASSWORD, "database_root_password")):
        (made,) = platform.secrets.versions(secret)
        assert len(made.strip()) == 48
        assert platform.vm.path(f"{FILES}/secrets/{name}").read_bytes() == made
        assert made.decode().strip() not in done.stdout + done.stderr
    assert platform.vm.path(f"{FILES}/secrets").stat().st_mode & 0o777 == 0o700
    assert platform.vm.path("/srv/tukur/hub/installer/SHA256SUMS").exists()
    assert platform.vm.path("/srv/tukur/hub").stat().st_uid == 10001
    assert not list(platform.vm.path("/run").glob("tukur-start-*"))


def test_compose_takes_what_was_written_and_runs_it_on_the_persistent_disk(platform: Cloud) -> None:
    real = platform.vm.sh(f"""
        cd {FILES} && /usr/bin/docker-compose -f compose.yaml -f platform.yaml config > /run/whole.yaml &&
        python3 - <<'END'
import json, sys
sys.path.append("/usr/lib/python3/dist-packages")
import yaml
print(json.dumps(yaml.safe_load(open("/run/whole.yaml"))))
END
        """)
    assert real.returncode == 0, real.stderr
    whole: dict[str, Any] = json.loads(real.stdout)
    hub = whole["services"]["hub"]
    assert hub["image"] == "registry.example.org/tukur/tukur:0.1.0"
    assert "--name=198.51.100.7" in hub["command"]
    assert "443:8787" in str(hub["ports"])
    assert hub["environment"]["TUKUR_GOOGLE_PROJECT"] == PROJECT
    assert hub["environment"]["TUKUR_GOOGLE_GROUPS"] == GROUP
    assert hub["environment"]["TUKUR_DATABASE"].startswith("mysql://")
    for name in ("hub", "database"):
        assert whole["volumes"][name]["driver_opts"]["device"] == f"/srv/tukur/{name}"


def test_a_further_boot_changes_nothing(platform: Cloud) -> None:
    before = [platform.secrets.versions(name) for name in platform.secrets.names]
    pulled = asked(platform, "docker cp")
    # As after a boot: the disk is not mounted, so Docker does not start by itself.
    platform.vm.sh("systemctl stop docker.service; umount /srv/tukur; systemctl start docker.service")
    assert platform.vm.sh("systemctl is-active docker.service").stdout.strip() == "inactive"
    done = platform.boot()
    assert done.returncode == 0, done
    assert "making" not in done.stdout
    assert [platform.secrets.versions(name) for name in platform.secrets.names] == before
    assert asked(platform, "docker cp") == pulled
    assert platform.vm.sh("systemctl is-active docker.service").stdout.strip() == "active"


def test_the_timer_stores_a_token_that_has_changed(platform: Cloud) -> None:
    assert platform.vm.sh("systemctl is-active tukur-join-token.timer").stdout.strip() == "active"
    platform.vm.path("/run/hub-token").write_text("tukur-join-second\n")
    done = platform.vm.sh("systemctl start tukur-join-token.service")
    assert done.returncode == 0, done.stderr
    assert platform.secrets.versions(JOIN)[-1] == b"tukur-join-second\n"
    assert platform.vm.sh("systemctl start tukur-join-token.service").returncode == 0
    assert len(platform.secrets.versions(JOIN)) == 2


def test_what_google_refuses_is_said_in_one_line(platform: Cloud) -> None:
    platform.compute.fail(ACCESS, 403, "forbidden", "Permission denied on resource.")
    done = platform.boot("token")
    assert done.returncode == 1
    (said,) = done.stderr.splitlines()
    assert said.startswith(
        f"tukur: Secret Manager answers 403 to a request for the secret {JOIN} (Permission"
    )


def test_a_password_that_secret_manager_does_not_tell_now_is_that_of_the_last_boot(platform: Cloud) -> None:
    platform.compute.fail(ACCESS, 503, "backendError")
    done = platform.boot()
    assert done.returncode == 0, done
    assert "the password of the last boot is used" in done.stdout
    assert platform.vm.path(f"{FILES}/secrets/database_password").read_bytes() in platform.secrets.versions(
        DATABASE
    )


@pytest.fixture(scope="module")
def member(cloud: Cloud, hub: InstallingHub) -> Cloud:
    """The machine as one of the group, before its first boot."""
    cloud.metadata.instance.attributes = {
        "tukur-hub": f"https://{HERE_ADDRESS}:{hub.up.port}",
        "tukur-join-secret": JOIN,
        "tukur-secret-manager": f"http://{HERE_ADDRESS}:{cloud.port}",
    }
    cloud.secrets.empty(JOIN)
    cloud.becomes_new_instance()
    cloud.put("/run/startup-script", startup_script("member"))
    return cloud


def test_a_member_waits_for_the_token_then_installs_the_agent_and_joins(
    member: Cloud, hub: InstallingHub
) -> None:
    asked = member.secrets.asked(JOIN)
    command = [*member.vm.command("/run/startup-script")]
    with subprocess.Popen(
        command,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "GCE_METADATA_HOST": member.metadata.address},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as booting:
        eventually(lambda: member.secrets.asked(JOIN) > asked, 20, "it has asked for the token")
        made = tukur("join-token", "create", "--google", "--data", str(hub.up.data))
        assert made.returncode == 0, made.stderr
        member.secrets.add(JOIN, made.stdout.encode())
        out, errors = booting.communicate(timeout=90)
    assert booting.returncode == 0, (out, errors)
    assert errors == ""
    assert f"the secret {JOIN} has no version yet; trying again" in out
    name = member.metadata.instance.name
    assert f"{name} has joined" in out
    assert "tukur-join-" not in out
    eventually(lambda: hub.online(name), 40, "the host is online under the name of its instance")


def test_at_the_next_boot_a_member_stays_the_host_that_it_is(member: Cloud, hub: InstallingHub) -> None:
    joined = member.vm.path("/var/lib/tukur-agent/joined.json").read_bytes()
    done = member.boot()
    assert done.returncode == 0, done
    assert "it stays the host that it is" in done.stdout
    assert member.vm.path("/var/lib/tukur-agent/joined.json").read_bytes() == joined


def test_without_secret_manager_the_agent_that_is_there_goes_on(member: Cloud) -> None:
    member.compute.fail(ACCESS, 503, "backendError")
    done = member.boot()
    assert done.returncode == 0, done
    assert "answers 503" in done.stdout
    assert "the agent that is here goes on" in done.stdout
    assert member.vm.sh(f"systemctl is-active {AGENT}").stdout.strip() == "active"


def test_a_hub_with_another_authority_installs_nothing(member: Cloud, hub: InstallingHub) -> None:
    real = member.secrets.versions(JOIN)[-1]
    member.secrets.add(JOIN, hub.changed_token(authority=bytes(32)).encode())
    done = member.boot()
    member.secrets.add(JOIN, real)
    assert "the hub's installer cannot be fetched: curl: (60)" in done.stdout, done


def test_a_copied_disk_joins_as_a_host_of_its_own(member: Cloud, hub: InstallingHub) -> None:
    before = member.vm.path("/var/lib/tukur-agent/joined.json").read_bytes()
    former = member.metadata.instance.instance_id
    name = member.becomes_new_instance()
    done = member.boot()
    assert done.returncode == 0, done
    assert f"this disk belonged to the VM {former}" in done.stdout
    assert member.vm.path("/var/lib/tukur-agent/joined.json").read_bytes() != before
    eventually(lambda: hub.online(name), 40, "the second host is online")


def test_google_was_asked_for_nothing_that_it_does_not_have(cloud: Cloud) -> None:
    assert cloud.compute.refused == []
