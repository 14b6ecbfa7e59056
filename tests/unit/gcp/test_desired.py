"""What the requests of an apply say: each property that is promised, read off what Google received."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.google.server import PROJECT, Google
from tests.unit.gcp.conftest import Gcp

ACCOUNTS = {kind: f"tukur-{kind}@{PROJECT}.iam.gserviceaccount.com" for kind in ("platform", "member")}


@pytest.fixture
def applied(gcp: Gcp, cloud: Google) -> Google:
    """A Google in which everything has been made."""
    assert gcp("apply") == 0
    return cloud


def bodies(cloud: Google, method: str) -> dict[str, dict[str, Any]]:
    return {call.body["name"]: call.body for call in cloud.calls if call.id == method}


def attributes(body: dict[str, Any]) -> dict[str, str]:
    return {item["key"]: item["value"] for item in body["metadata"]["items"]}


def test_nothing_is_open_but_443_of_the_hub_and_ssh_from_googles_proxy(applied: Google) -> None:
    rules = bodies(applied, "compute.firewalls.insert")
    opened = {
        (rule["sourceRanges"][0], *rule["allowed"][0]["ports"], tuple(rule["targetTags"]))
        for rule in rules.values()
    }
    assert opened == {
        ("0.0.0.0/0", "443", ("tukur-hub",)),
        ("35.235.240.0/20", "22", ("tukur-hub", "tukur-member")),
    }
    for rule in rules.values():
        assert (rule["direction"], len(rule["sourceRanges"]), len(rule["allowed"])) == ("INGRESS", 1, 1)
        assert rule["allowed"][0]["IPProtocol"] == "tcp"
    # Not the network with rules of its own that every project has.
    assert applied.one("compute.networks.insert").body["autoCreateSubnetworks"] is False


def test_the_groups_machines_have_no_public_address_and_reach_the_internet_by_nat(applied: Google) -> None:
    (template,) = bodies(applied, "compute.instanceTemplates.insert").values()
    (interface,) = template["properties"]["networkInterfaces"]
    assert "accessConfigs" not in interface
    (nat,) = applied.one("compute.routers.insert").body["nats"]
    assert nat["sourceSubnetworkIpRangesToNat"] == "ALL_SUBNETWORKS_ALL_IP_RANGES"
    assert applied.one("compute.subnetworks.insert").body["privateIpGoogleAccess"] is True


def test_the_autoscaler_keeps_one_to_four_machines_at_sixty_percent_and_shrinks_slowly(
    applied: Google,
) -> None:
    body = applied.one("compute.regionAutoscalers.insert").body
    policy = body["autoscalingPolicy"]
    assert policy["cpuUtilization"]["utilizationTarget"] == 0.6
    assert (policy["minNumReplicas"], policy["maxNumReplicas"], policy["mode"]) == (1, 4, "ON")
    assert policy["scaleInControl"] == {"maxScaledInReplicas": {"fixed": 1}, "timeWindowSec": 600}
    assert policy["customMetricUtilizations"] == []
    assert body["target"].endswith("/regions/europe-west1/instanceGroupManagers/tukur")


def test_each_figure_of_the_autoscaler_is_a_parameter(gcp: Gcp, cloud: Google, file: Path) -> None:
    content = file.read_text(encoding="utf-8")
    file.write_text(
        f"{content}[group]\nmin = 2\nmax = 9\ncpu-percent = 35\nram-percent = 70\n", encoding="utf-8"
    )
    cloud.state.services.discard("monitoring.googleapis.com")
    assert gcp("apply") == 0
    policy = cloud.one("compute.regionAutoscalers.insert").body["autoscalingPolicy"]
    assert (policy["minNumReplicas"], policy["maxNumReplicas"]) == (2, 9)
    assert policy["cpuUtilization"]["utilizationTarget"] == 0.35
    (ram,) = policy["customMetricUtilizations"]
    assert (ram["metric"], ram["utilizationTarget"]) == ("custom.googleapis.com/tukur/ram_used", 0.7)
    (template,) = bodies(cloud, "compute.instanceTemplates.insert").values()
    assert attributes(template["properties"])["tukur-ram-metric"] == ram["metric"]
    assert cloud.one("monitoring.projects.metricDescriptors.create").body["type"] == ram["metric"]
    (binding,) = [
        one
        for one in cloud.state.policies[f"projects/{PROJECT}"]["bindings"]
        if one["role"].startswith("roles/")
    ]
    assert binding == {
        "role": "roles/monitoring.metricWriter",
        "members": [f"serviceAccount:{ACCOUNTS['member']}"],
    }
    assert (
        len(cloud.compute.members(f"projects/{PROJECT}/regions/europe-west1/instanceGroupManagers/tukur"))
        == 2
    )


def test_a_machine_is_never_rebuilt_because_its_agent_died_nor_for_a_new_template(applied: Google) -> None:
    manager = applied.one("compute.regionInstanceGroupManagers.insert").body
    assert manager["autoHealingPolicies"] == []
    assert not [call for call in applied.calls if call.id.endswith("ealthChecks.insert")]
    assert manager["updatePolicy"]["type"] == "OPPORTUNISTIC"
    assert manager["updatePolicy"]["instanceRedistributionType"] == "NONE"
    # A VM that does not run is repaired.
    assert manager["instanceLifecyclePolicy"]["defaultActionOnFailure"] == "REPAIR"


def test_the_accounts_have_the_least_rights(applied: Google) -> None:
    (role,) = [call.body for call in applied.calls if call.id == "iam.projects.roles.create"]
    assert role["role"]["includedPermissions"] == [
        "compute.instanceGroupManagers.get",
    ]
    project = applied.state.policies[f"projects/{PROJECT}"]["bindings"]
    assert project == [
        {
            "role": f"projects/{PROJECT}/roles/tukur_platform",
            "members": [f"serviceAccount:{ACCOUNTS['platform']}"],
        }
    ]
    readers = {
        name.rpartition("/")[2]: {
            one["role"].rpartition(".")[2]: one["members"] for one in policy["bindings"]
        }
        for name, policy in applied.state.policies.items()
        if "/secrets/" in name
    }
    platform, member = (f"serviceAccount:{ACCOUNTS[kind]}" for kind in ("platform", "member"))
    alone = {"secretAccessor": [platform], "secretVersionAdder": [platform]}
    assert readers == {
        "tukur-join": {"secretAccessor": [member, platform], "secretVersionAdder": [platform]},
        "tukur-database": alone,
        "tukur-database-root": alone,
    }


def test_no_secret_is_in_any_request(applied: Google) -> None:
    assert not [call for call in applied.calls if call.id.endswith(("addVersion", "access"))]
    text = json.dumps([call.body for call in applied.calls])
    assert not re.search(r"tukur-join-[A-Za-z0-9_-]{40,}", text)


def test_the_platforms_data_is_on_a_disk_of_its_own_with_a_snapshot_a_day(applied: Google) -> None:
    disk = applied.one("compute.disks.insert").body
    assert disk["resourcePolicies"] == [
        f"projects/{PROJECT}/regions/europe-west1/resourcePolicies/tukur-daily"
    ]
    policy = applied.one("compute.resourcePolicies.insert").body["snapshotSchedulePolicy"]
    assert policy["retentionPolicy"] == {"maxRetentionDays": 14, "onSourceDiskDelete": "KEEP_AUTO_SNAPSHOTS"}
    boot, data = applied.one("compute.instances.insert").body["disks"]
    assert (boot["boot"], boot["autoDelete"]) == (True, True)
    assert (data["deviceName"], data["autoDelete"]) == ("tukur-data", False)


def test_the_machines_are_told_the_hubs_reserved_address_and_where_the_token_is(applied: Google) -> None:
    address = applied.state.resources[f"projects/{PROJECT}/regions/europe-west1/addresses/tukur-hub"][
        "address"
    ]
    platform = applied.one("compute.instances.insert").body
    assert platform["networkInterfaces"][0]["accessConfigs"][0]["natIP"] == address
    (template,) = bodies(applied, "compute.instanceTemplates.insert").values()
    for told in (attributes(platform), attributes(template["properties"])):
        assert told["tukur-hub"] == f"https://{address}"
        assert told["tukur-join-secret"] == "tukur-join"
        assert told["startup-script"].startswith("#!/bin/sh")
        assert told["enable-oslogin"] == "TRUE"
    told = attributes(platform)
    assert told["tukur-group"] == "regions/europe-west1/instanceGroupManagers/tukur"
    assert (told["tukur-disk"], told["tukur-database-secret"]) == ("tukur-data", "tukur-database")
    assert "services:" in told["tukur-compose"]


def test_a_host_name_stands_for_the_address(gcp: Gcp, cloud: Google, file: Path) -> None:
    content = file.read_text(encoding="utf-8")
    file.write_text(f'hostname = "tukur.example.org"\n{content}', encoding="utf-8")
    assert gcp("apply") == 0
    assert attributes(cloud.one("compute.instances.insert").body)["tukur-hub"] == "https://tukur.example.org"


def test_two_installations_in_one_project_do_not_meet(gcp: Gcp, cloud: Google, file: Path) -> None:
    assert gcp("apply") == 0
    first = dict(cloud.state.resources)
    content = file.read_text(encoding="utf-8")
    file.write_text(f'name = "other"\n{content}', encoding="utf-8")
    assert gcp("apply") == 0
    assert gcp("destroy", "--delete-data") == 0
    left = {name for name, body in cloud.state.resources.items() if not body.get("deleted")}
    assert left == first.keys()
    file.write_text(content, encoding="utf-8")
    assert gcp("status") == 0
