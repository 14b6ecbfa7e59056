"""Applying a declaration: all of it, what has drifted, and what an interruption left over."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.google.server import PROJECT, Fault, Google
from tests.support.google.state import ApiError
from tests.support.waiting import eventually
from tests.unit.gcp.conftest import Gcp
from tukur.cli.errors import Exit
from tukur.gcp.marks import labels

REGION = f"projects/{PROJECT}/regions/europe-west1"
ZONE = f"projects/{PROJECT}/zones/europe-west1-b"
GROUP = f"{REGION}/instanceGroupManagers/tukur"
# Of an apply in an empty project whose APIs are on.
CHANGES = 23


def test_what_is_declared_is_made_and_then_there_is_nothing_left_to_do(
    gcp: Gcp, cloud: Google, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gcp("plan") == 0
    assert "21 to create; 1 to change; 2 as declared" in capsys.readouterr().out
    assert cloud.changes() == []
    assert gcp("apply") == 0
    assert len(cloud.changes()) == CHANGES
    assert "https://203.0.113." in capsys.readouterr().out
    assert gcp("plan") == 0
    assert "24 as declared" in capsys.readouterr().out
    assert gcp("apply") == 0
    assert len(cloud.changes()) == CHANGES
    assert gcp("status") == 0
    assert cloud.refused == []


def test_apis_that_are_off_are_switched_on_before_anything_is_asked_of_them(gcp: Gcp, cloud: Google) -> None:
    cloud.state.services.clear()
    assert gcp("plan") == 0
    assert gcp("apply") == 0
    assert cloud.changes()[0].id == "serviceusage.services.batchEnable"
    assert "monitoring.googleapis.com" not in cloud.state.services


def test_without_the_api_that_switches_on_the_others_it_says_so_at_once(
    gcp: Gcp, cloud: Google, capsys: pytest.CaptureFixture[str]
) -> None:
    said = "Service Usage API has not been used in project rehearsal before or it is disabled."
    cloud.fail("serviceusage.services.batchGet", 403, "accessNotConfigured", said, times=9)
    assert gcp("plan") == Exit.CLOUD_ACCESS
    assert capsys.readouterr().err == f"tukur gcp: {said}\n"
    assert len(cloud.calls) == 1


def test_status_before_anything_is_made_lists_no_machines(
    gcp: Gcp, cloud: Google, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.state.services.clear()
    assert gcp("status") == 1
    assert "0 VMs in the group" in capsys.readouterr().out


def drift(resources: dict[str, Any], policies: dict[str, Any]) -> None:
    """Somebody changes one thing of each kind by hand."""
    site = f"projects/{PROJECT}"
    resources[f"{REGION}/addresses/tukur-hub"]["labels"]["tukur-installation"] = "tukur"
    resources[f"{site}/global/firewalls/tukur-https"]["allowed"] = [
        {"IPProtocol": "tcp", "ports": ["22", "443"]}
    ]
    resources[f"{site}/global/firewalls/tukur-iap-ssh"]["sourceRanges"] = ["0.0.0.0/0"]
    resources[f"{REGION}/subnetworks/tukur"]["privateIpGoogleAccess"] = False
    resources[f"{REGION}/routers/tukur"]["nats"] = []
    resources[f"{REGION}/resourcePolicies/tukur-daily"]["snapshotSchedulePolicy"]["retentionPolicy"][
        "maxRetentionDays"
    ] = 1
    resources[f"{ZONE}/disks/tukur-data"] |= {"sizeGb": "20", "resourcePolicies": []}
    instance = resources[f"{ZONE}/instances/tukur-hub"]
    instance["metadata"]["items"] = [
        {"key": "ssh-keys", "value": "ana:ssh-ed25519 AAAA"},
        *(item for item in instance["metadata"]["items"] if item["key"] != "tukur-hub"),
    ]
    instance["tags"]["items"] = []
    instance["machineType"] = instance["machineType"].replace("e2-medium", "e2-micro")
    instance["status"] = "TERMINATED"
    resources[GROUP]["autoHealingPolicies"] = [{"healthCheck": "x", "initialDelaySec": 60}]
    resources[GROUP]["updatePolicy"]["type"] = "PROACTIVE"
    resources[f"{REGION}/autoscalers/tukur"]["autoscalingPolicy"]["maxNumReplicas"] = 40
    account = f"tukur-member@{PROJECT}.iam.gserviceaccount.com"
    resources[f"{site}/serviceAccounts/{account}"] |= {"displayName": "?", "disabled": True}
    resources[f"{site}/roles/tukur_platform"]["includedPermissions"].append("compute.instances.delete")
    policies[site]["bindings"].append(
        {"role": "roles/owner", "members": ["user:boss@example.org", f"serviceAccount:{account}"]}
    )
    policies[f"{site}/secrets/tukur-join"]["bindings"][0]["members"].append("allUsers")


def test_what_drifted_is_named_and_repaired(
    gcp: Gcp, cloud: Google, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gcp("apply") == 0
    drift(cloud.state.resources, cloud.state.policies)
    capsys.readouterr()
    assert gcp("status") == 1
    said = capsys.readouterr().out
    assert "13 to change; 11 as declared" in said
    for difference in (
        "allowed[0].ports: found [22, 443], [443] expected",
        "sourceRanges: found [0.0.0.0/0], [35.235.240.0/20] expected",
        "autoscalingPolicy.maxNumReplicas: found 40, 4 expected",
        "status: found TERMINATED, RUNNING expected",
        "roles: found [roles/owner], nothing expected",
        "sizeGb: found 20, 50 expected",
    ):
        assert difference in said
    assert gcp("apply") == 0
    assert gcp("status") == 0
    bindings = cloud.state.policies[f"projects/{PROJECT}"]["bindings"]
    assert {"role": "roles/owner", "members": ["user:boss@example.org"]} in bindings
    items = cloud.state.resources[f"{ZONE}/instances/tukur-hub"]["metadata"]["items"]
    assert "ssh-keys" in [item["key"] for item in items]
    assert cloud.refused == []


def test_a_new_machine_type_of_the_group_is_for_new_machines_and_the_old_template_goes(
    gcp: Gcp, cloud: Google, file: Path
) -> None:
    assert gcp("apply") == 0
    (first,) = cloud.compute.members(GROUP)
    content = file.read_text(encoding="utf-8")
    file.write_text(f'{content}[group]\nmachine = "e2-standard-2"\nmax = 7\n', encoding="utf-8")
    assert gcp("apply") == 0
    second = cloud.add_instance(GROUP)
    assert [one["id"] for one in cloud.compute.members(GROUP)] == [first["id"], second["id"]]
    assert (first["machineType"], second["machineType"]) == ("e2-small", "e2-standard-2")
    templates = [name for name in cloud.state.resources if "/instanceTemplates/" in name]
    assert len(templates) == 1
    # The autoscaler's size is no drift.
    assert gcp("status") == 0


def test_what_cannot_be_changed_in_place_is_refused_before_anything_is_done(
    gcp: Gcp, cloud: Google, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gcp("apply") == 0
    before = len(cloud.changes())
    subnetwork = cloud.state.resources[f"{REGION}/subnetworks/tukur"]
    subnetwork["ipCidrRange"] = "10.0.0.0/24"
    cloud.state.resources[f"{REGION}/autoscalers/tukur"]["autoscalingPolicy"]["maxNumReplicas"] = 40
    assert gcp("apply") == Exit.CLOUD_FAILED
    assert "ipCidrRange: found 10.0.0.0/24, 10.83.0.0/20 expected" in capsys.readouterr().err
    assert len(cloud.changes()) == before


# What a lost request leaves is what the lost answer before it left: for these two places are enough.
@pytest.mark.parametrize(
    ("applied", "numbers"),
    [(True, range(1, CHANGES + 1)), (False, (1, CHANGES // 2))],
    ids=["answer-lost", "request-lost"],
)
def test_after_an_interruption_at_any_step_the_same_command_goes_on(
    gcp: Gcp,
    cloud: Google,
    applied: bool,
    numbers: Sequence[int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    for number in numbers:
        cloud.state.resources.clear()
        cloud.state.policies.clear()
        cloud.calls.clear()
        cloud.cut_at(number, applied=applied)
        assert gcp("apply") == Exit.CLOUD_FAILED, f"interrupted at change {number}"
        assert "cannot be reached" in capsys.readouterr().err
        cloud.revive()
        assert gcp("apply") == 0, f"resumed at change {number}: {capsys.readouterr().err}"
        # Each is made once, whatever was lost in between.
        assert len(cloud.changes()) == CHANGES, f"interrupted at change {number}"
    assert cloud.refused == []


def test_a_killed_process_leaves_nothing_that_the_next_one_does_not_find(
    gcp: Gcp, cloud: Google, file: Path
) -> None:
    cloud.compute.polls = {"compute.instances.insert": 10_000}
    command = [sys.executable, "-m", "tukur", "gcp", "apply", str(file), "--yes"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        eventually(lambda: any(call.id == "compute.instances.insert" for call in cloud.calls))
        running.kill()
    cloud.compute.polls = {}
    assert gcp("apply") == 0
    assert len([call for call in cloud.calls if call.id == "compute.instances.insert"]) == 1


def test_an_answer_that_was_lost_once_is_asked_for_again_without_making_anything_twice(
    gcp: Gcp, cloud: Google
) -> None:
    cloud.fail("compute.networks.insert", 503, "backendError")
    cloud.fail("iam.projects.serviceAccounts.create", 429, "rateLimitExceeded", times=2)
    cloud.fail("compute.routers.insert", 400, "resourceNotReady")
    assert gcp("apply") == 0


def test_a_policy_that_somebody_else_writes_meanwhile_keeps_what_they_wrote(gcp: Gcp, cloud: Google) -> None:
    cloud.fail("cloudresourcemanager.projects.setIamPolicy", 409, "aborted")
    cloud.state.policies[f"projects/{PROJECT}"] = {
        "version": 1,
        "bindings": [{"role": "roles/viewer", "members": ["user:ana@example.org"]}],
    }
    assert gcp("apply") == 0
    assert {"role": "roles/viewer", "members": ["user:ana@example.org"]} in cloud.state.policies[
        f"projects/{PROJECT}"
    ]["bindings"]


@pytest.mark.parametrize(
    ("method", "status", "reason", "code"),
    [
        ("compute.instances.insert", 403, "quotaExceeded", Exit.CLOUD_QUOTA),
        ("compute.instances.insert", 403, "forbidden", Exit.CLOUD_ACCESS),
        ("secretmanager.projects.secrets.create", 403, "forbidden", Exit.CLOUD_ACCESS),
        ("compute.regionAutoscalers.insert", 503, "backendError", Exit.CLOUD_FAILED),
    ],
)
def test_what_google_refuses_is_one_line_with_what_was_done_and_the_same_command_goes_on(
    gcp: Gcp,
    cloud: Google,
    capsys: pytest.CaptureFixture[str],
    method: str,
    status: int,
    reason: str,
    code: Exit,
) -> None:
    fault = Fault(method, ApiError(status, reason, "that is why"), times=100)
    cloud.faults.append(fault)
    assert gcp("apply") == code
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("tukur gcp: ")
    assert "of 22 steps are done; the same command goes on from here)" in error
    assert "that is why" in error
    cloud.faults.remove(fault)
    assert gcp("apply") == 0


def test_an_operation_that_fails_says_why_and_leaves_the_rest_for_the_next_run(
    gcp: Gcp, cloud: Google, capsys: pytest.CaptureFixture[str]
) -> None:
    message = "Quota 'CPUS' exceeded.  Limit: 8.0 in region europe-west1."
    cloud.compute.polls = {"compute.instances.insert": 3}
    cloud.compute.failures = {"compute.instances.insert": ("QUOTA_EXCEEDED", message)}
    assert gcp("apply") == Exit.CLOUD_QUOTA
    assert "platform VM tukur-hub: Quota 'CPUS' exceeded. Limit: 8.0" in capsys.readouterr().err
    cloud.compute.failures = {}
    assert gcp("apply") == 0


def test_a_slow_operation_is_waited_for_before_what_depends_on_it_begins(gcp: Gcp, cloud: Google) -> None:
    cloud.compute.polls = {"compute.networks.insert": 2, "compute.instances.insert": 2}
    assert gcp("apply") == 0
    order = [call.id for call in cloud.calls]
    waits = [index for index, name in enumerate(order) if name == "compute.globalOperations.wait"]
    assert len(waits) == 2
    assert (
        order.index("compute.networks.insert")
        < waits[0]
        < waits[1]
        < order.index("compute.subnetworks.insert")
    )


def test_credentials_that_run_out_in_the_middle_are_one_line_and_a_new_token_goes_on(
    gcp: Gcp,
    cloud: Google,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    token = tmp_path / "token"
    token.write_text("first\n", encoding="ascii")
    monkeypatch.delenv("CLOUDSDK_AUTH_DISABLE_CREDENTIALS")
    monkeypatch.setenv("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", str(token))
    cloud.token = "first"
    cloud.fail("compute.firewalls.insert", 401, "authError", times=100)
    assert gcp("apply") == Exit.CLOUD_ACCESS
    error = capsys.readouterr().err.splitlines()[-1]
    assert "ran out or are not valid; sign in again with: gcloud auth application-default login" in error
    cloud.faults.clear()
    cloud.token = "second"
    token.write_text("second\n", encoding="ascii")
    assert gcp("apply") == 0


def test_a_name_that_somebody_else_has_is_refused_before_anything_is_made(
    gcp: Gcp, cloud: Google, capsys: pytest.CaptureFixture[str]
) -> None:
    name = f"projects/{PROJECT}/global/networks/tukur"
    cloud.state.add(name, {"name": "tukur", "description": "the boss's network"})
    assert gcp("apply") == Exit.CLOUD_NAME_TAKEN
    assert "network tukur in the project rehearsal was not made by tukur" in capsys.readouterr().err
    assert cloud.changes() == []


def test_a_name_that_somebody_takes_in_between_is_not_touched(gcp: Gcp, cloud: Google) -> None:
    cloud.fail("compute.networks.insert", 409, "alreadyExists")
    name = f"projects/{PROJECT}/global/networks/tukur"
    reads = 0
    answer = cloud.compute.answer

    def take(call: Any) -> Any:
        nonlocal reads
        reads += call.id == "compute.networks.get"
        if reads == 3:
            cloud.state.resources[name] = {"name": "tukur", "description": "faster"}
        return answer(call)

    cloud.compute.answer = take  # type: ignore[method-assign]
    assert gcp("apply") == Exit.CLOUD_NAME_TAKEN
    assert cloud.state.resources[name] == {"name": "tukur", "description": "faster"}


def test_an_operation_of_an_interrupted_run_that_fails_later_is_noticed_at_the_end(
    gcp: Gcp, cloud: Google, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gcp("apply") == 0
    del cloud.state.resources[f"{REGION}/autoscalers/tukur"]
    answer = cloud.compute.answer

    def forget(call: Any) -> Any:
        found = answer(call)
        if call.id == "compute.regionAutoscalers.insert":
            del cloud.state.resources[f"{REGION}/autoscalers/tukur"]
        return found

    cloud.compute.answer = forget  # type: ignore[method-assign]
    assert gcp("apply") == Exit.CLOUD_FAILED
    assert "autoscaler tukur is not as declared: it is not there" in capsys.readouterr().err


def test_everything_that_can_carry_labels_does(gcp: Gcp, cloud: Google) -> None:
    assert gcp("apply") == 0
    for name, body in cloud.state.resources.items():
        if any(f"/{kind}/" in name for kind in ("disks", "addresses", "instances", "secrets")):
            assert body["labels"] == labels("tukur"), name
