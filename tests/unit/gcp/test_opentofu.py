"""The OpenTofu module says the same as `tukur gcp`: its properties, with the defaults, side by side.

tests/unit/build_tools/test_opentofu.py checks how it is written.
"""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hcl2
import pytest

from build_tools.opentofu import MODULE, resources, unquoted
from tukur.gcp.declaration import Declaration, Group
from tukur.gcp.desired import RAM_METRIC, Desired
from tukur.gcp.resources.access import CustomRole, Secret, SecretAccess, ServiceAccount
from tukur.gcp.startup.scripts import startup_script

GIVEN = {"project": "my-project-1", "region": "europe-west1", "zone": "europe-west1-b"}


def declaration(ram_percent: int | None = None) -> Declaration:
    """The one with the same given."""
    project, region, zone = GIVEN.values()
    return Declaration(project=project, region=region, zone=zone, group=Group(ram_percent=ram_percent))


def defaults() -> dict[str, Any]:
    """The variables as they are if only what has to be given is given: ``group.max`` to 4."""
    found: dict[str, Any] = dict(GIVEN)
    for variable in hcl2.loads((MODULE / "variables.tf").read_text())["variable"]:
        for label, content in variable.items():
            name = unquoted(label)
            if "default" in content and not isinstance(content["default"], dict):
                found[name] = unquoted(str(content["default"]))
            for key, value in re.findall(r"(\w+) = optional\(\w+, (\S+?)\)(?=[,}\n ])", str(content["type"])):
                found[f"{name}.{key}"] = unquoted(value)
    return found


VARIABLES = defaults()


def value_of(text: Any) -> Any:
    """What an expression is with the defaults; one of more than variables and a division stays as it is."""
    if isinstance(text, list):
        return [value_of(one) for one in text]
    if not isinstance(text, str):
        return text
    known = re.sub(
        r"\$\{var\.([\w.]+)( / 100)?\}",
        lambda found: f"{float(VARIABLES[found[1]]) / 100}" if found[2] else str(VARIABLES[found[1]]),
        text,
    )
    return unquoted(known)


MODULES: dict[str, dict[str, Any]] = {f"{kind}.{name}": content for kind, name, content in resources(MODULE)}


def said(resource: str, *path: str) -> Any:
    """A property of a resource of the module, the blocks on the way to it by their names."""
    found: Any = MODULES[f"google_{resource}"]
    for name in path:
        found = found[0] if isinstance(found, list) else found
        found = found[name]
    return value_of(found)


@pytest.fixture(scope="module")
def declared() -> dict[str, Any]:
    """What `tukur gcp` declares, by title and name."""
    found = Desired(declaration(), "198.51.100.7").all()
    return {f"{one.title} {one.name}": one for one in found}


@pytest.fixture(scope="module")
def body(declared: dict[str, Any]) -> Callable[[str], Any]:
    """The body of the one resource of a title that begins so."""

    def find(title: str) -> Any:
        (found,) = (one for key, one in declared.items() if key.startswith(title))
        return found.body

    return find


@pytest.mark.parametrize(("resource", "kind"), [("https", "https"), ("iap_ssh", "iap-ssh")])
def test_the_same_is_open(body: Callable[[str], Any], resource: str, kind: str) -> None:
    rule, name = body(f"firewall rule tukur-{kind}"), f"compute_firewall.{resource}"
    assert said(name, "name") == rule["name"]
    assert said(name, "direction") == rule["direction"]
    assert said(name, "source_ranges") == rule["sourceRanges"]
    assert said(name, "target_tags") == rule["targetTags"]
    assert said(name, "allow", "ports") == rule["allowed"][0]["ports"]
    assert said(name, "allow", "protocol") == rule["allowed"][0]["IPProtocol"]


def test_nothing_else_is_open(declared: dict[str, Any]) -> None:
    rules = [name for name in MODULES if name.startswith("google_compute_firewall.")]
    assert len(rules) == sum(key.startswith("firewall rule") for key in declared)


def test_the_network_is_the_same(body: Callable[[str], Any]) -> None:
    subnetwork, router = body("subnetwork"), body("router")
    assert said("compute_subnetwork.this", "ip_cidr_range") == subnetwork["ipCidrRange"]
    assert said("compute_subnetwork.this", "private_ip_google_access") == subnetwork["privateIpGoogleAccess"]
    assert said("compute_network.this", "auto_create_subnetworks") is False
    nat = router["nats"][0]
    assert said("compute_router_nat.this", "nat_ip_allocate_option") == nat["natIpAllocateOption"]
    ranges = said("compute_router_nat.this", "source_subnetwork_ip_ranges_to_nat")
    assert ranges == nat["sourceSubnetworkIpRangesToNat"]


def test_the_autoscaler_is_the_same(body: Callable[[str], Any]) -> None:
    policy, name = body("autoscaler")["autoscalingPolicy"], "compute_region_autoscaler.this"

    def of_module(*path: str) -> Any:
        return said(name, "autoscaling_policy", *path)

    assert of_module("mode") == policy["mode"]
    assert int(of_module("min_replicas")) == policy["minNumReplicas"] == 1
    assert int(of_module("max_replicas")) == policy["maxNumReplicas"] == 4
    assert int(of_module("cooldown_period")) == policy["coolDownPeriodSec"]
    target = policy["cpuUtilization"]["utilizationTarget"]
    assert float(of_module("cpu_utilization", "target")) == target == 0.6
    assert of_module("cpu_utilization", "predictive_method") == policy["cpuUtilization"]["predictiveMethod"]
    control = policy["scaleInControl"]
    assert int(of_module("scale_in_control", "time_window_sec")) == control["timeWindowSec"]
    fixed = of_module("scale_in_control", "max_scaled_in_replicas", "fixed")
    assert int(fixed) == control["maxScaledInReplicas"]["fixed"]


def test_the_group_repairs_and_replaces_in_the_same_way(body: Callable[[str], Any]) -> None:
    group, name = body("instance group"), "compute_region_instance_group_manager.this"
    assert said(name, "base_instance_name") == group["baseInstanceName"]
    repair, update = group["instanceLifecyclePolicy"], group["updatePolicy"]
    lifecycle = "instance_lifecycle_policy"
    assert said(name, lifecycle, "default_action_on_failure") == repair["defaultActionOnFailure"]
    assert said(name, lifecycle, "force_update_on_repair") == repair["forceUpdateOnRepair"]
    assert said(name, "update_policy", "type") == update["type"]
    assert said(name, "update_policy", "minimal_action") == update["minimalAction"]
    redistribution = said(name, "update_policy", "instance_redistribution_type")
    assert redistribution == update["instanceRedistributionType"]
    assert group["autoHealingPolicies"] == []
    assert "auto_healing_policies" not in MODULES[f"google_{name}"]


def test_the_machines_are_the_same(body: Callable[[str], Any]) -> None:
    vm, hub = body("platform VM"), "compute_instance.hub"
    assert said(hub, "machine_type") == vm["machineType"].rpartition("/")[2]
    assert said(hub, "tags") == vm["tags"]["items"]
    assert said(hub, "service_account", "scopes") == vm["serviceAccounts"][0]["scopes"]
    assert said(hub, "attached_disk", "device_name") == vm["disks"][1]["deviceName"]
    image = vm["disks"][0]["initializeParams"]["sourceImage"]
    assert said(hub, "boot_disk", "initialize_params", "image") == image
    assert said(hub, "shielded_instance_config", "enable_secure_boot") is True
    properties, member = body("instance template")["properties"], "compute_instance_template.member"
    assert said(member, "machine_type") == properties["machineType"]
    assert said(member, "tags") == properties["tags"]["items"]
    assert said(member, "service_account", "scopes") == properties["serviceAccounts"][0]["scopes"]
    assert said(member, "disk", "source_image") == properties["disks"][0]["initializeParams"]["sourceImage"]
    assert "access_config" not in MODULES[f"google_{member}"]["network_interface"][0]
    assert "accessConfigs" not in properties["networkInterfaces"][0]


def test_the_disk_and_its_snapshots_are_the_same(body: Callable[[str], Any]) -> None:
    disk, policy = body("disk"), body("snapshot schedule")["snapshotSchedulePolicy"]
    assert said("compute_disk.data", "size") == disk["sizeGb"]
    assert said("compute_disk.data", "type") == disk["type"].rpartition("/")[2]
    retention, name = policy["retentionPolicy"], "compute_resource_policy.daily"
    days = said(name, "snapshot_schedule_policy", "retention_policy", "max_retention_days")
    assert int(days) == retention["maxRetentionDays"]
    start = said(name, "snapshot_schedule_policy", "schedule", "daily_schedule", "start_time")
    assert start == policy["schedule"]["dailySchedule"]["startTime"]


def test_the_rights_are_the_same(declared: dict[str, Any]) -> None:
    (role,) = (one for one in declared.values() if isinstance(one, CustomRole))
    assert said("project_iam_custom_role.platform", "permissions") == role.body["includedPermissions"]
    bindings = [MODULES[f"google_secret_manager_secret_iam_binding.{name}"] for name in ("read", "write")]
    roles = {unquoted(binding["role"]) for binding in bindings}
    access = [one for one in declared.values() if isinstance(one, SecretAccess)]
    assert all(set(one.members) == roles for one in access)
    # Members read the join token alone; the platform reads and writes all three.
    readers = {len(one.members["roles/secretmanager.secretAccessor"]): one.secret.name for one in access}
    assert readers[2] == "tukur-join"
    assert 'each.key == "join" ? ["member", "platform"] : ["platform"]' in bindings[0]["members"]
    members = "project_iam_member.member_metrics"
    scaling = declaration(ram_percent=70)
    with_ram = [one for one in Desired(scaling).all() if one.title == "project roles"]
    assert (said(members, "role"),) == with_ram[1].roles  # type: ignore[attr-defined]
    others = {name for name in MODULES if "_iam_" in name} - {
        "google_project_iam_custom_role.platform",
        "google_project_iam_member.platform",
        f"google_{members}",
        "google_secret_manager_secret_iam_binding.read",
        "google_secret_manager_secret_iam_binding.write",
    }
    assert others == set()


def test_accounts_and_secrets_have_the_same_names(declared: dict[str, Any]) -> None:
    accounts = {one.name for one in declared.values() if isinstance(one, ServiceAccount)}
    kinds = [name for name in MODULES["google_service_account.this"]["for_each"] if name[0] != "_"]
    assert accounts == {f"tukur-{unquoted(kind)}" for kind in kinds}
    secrets = {one.name for one in declared.values() if isinstance(one, Secret)}
    listed = str(MODULES["google_secret_manager_secret.this"]["for_each"])
    assert secrets == {f"tukur-{kind}" for kind in re.findall(r'"([\w-]+)"', listed)}


def keys(expression: Any) -> Iterator[str]:
    """The attributes in a map, or in an expression of maps."""
    text = str(expression).replace("'", '"')
    return (found[0] for found in re.findall(r"((?:tukur-|startup-|enable-|block-)[\w-]+)\"? ?(=|:)", text))


def test_the_machines_carry_the_same_attributes(body: Callable[[str], Any]) -> None:
    common = set(keys(hcl2.loads((MODULE / "main.tf").read_text())["locals"][0]["metadata"]))
    platform = common | set(keys(MODULES["google_compute_instance.hub"]["metadata"]))
    assert platform == {item["key"] for item in body("platform VM")["metadata"]["items"]}
    member = common | set(keys(MODULES["google_compute_instance_template.member"]["metadata"]))
    scaling = Desired(declaration(ram_percent=70))
    items = scaling.template().body["properties"]["metadata"]["items"]
    assert member == {item["key"] for item in items}
    assert unquoted(hcl2.loads((MODULE / "main.tf").read_text())["locals"][0]["ram_metric"]) == RAM_METRIC


@pytest.mark.parametrize("machine", ["platform", "member"])
def test_the_start_scripts_are_put_together_in_the_same_way(machine: Any, tmp_path: Path) -> None:
    program = shutil.which("tofu") or shutil.which("terraform")
    if program is None:
        pytest.skip("neither tofu nor terraform is installed")
    found = re.search(r"  start_script = \{.+?\n  \}\n", (MODULE / "main.tf").read_text(), re.DOTALL)
    assert found
    scripts = MODULE.parents[1] / "src/tukur/gcp/startup"
    (tmp_path / "main.tf").write_text(f'locals {{\n  scripts = "{scripts}"\n{found[0]}}}\n')
    (tmp_path / "expected").write_text(startup_script(machine))
    asked = f'local.start_script["{machine}"] == file("{tmp_path}/expected")\n'
    evaluated = subprocess.run(
        [program, "console"], cwd=tmp_path, input=asked, capture_output=True, text=True, check=False
    )
    assert evaluated.stdout.splitlines()[-1:] == ["true"], evaluated.stderr
