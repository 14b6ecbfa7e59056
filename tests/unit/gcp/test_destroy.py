"""Destroying: what tukur made, and nothing else."""

from typing import Any

import pytest

from tests.support.google.server import PROJECT, Google
from tests.unit.gcp.conftest import Gcp
from tukur.cli.errors import Exit
from tukur.gcp.marks import labels

SITE = "https://www.googleapis.com/compute/v1/"
ZONE = f"projects/{PROJECT}/zones/europe-west1-b"


def left(cloud: Google) -> set[str]:
    """What is there, by kind and name; a deleted role stays for some weeks."""
    there = (name for name, body in cloud.state.resources.items() if not body.get("deleted"))
    return {"/".join(name.split("/")[-2:]) for name in there}


def strangers(cloud: Google) -> dict[str, Any]:
    """Things of others, with names and labels that resemble ours."""
    policy = {"bindings": [{"role": "roles/viewer", "members": ["user:ana@example.org"]}]}
    cloud.state.policies[f"projects/{PROJECT}"] = policy
    made: dict[str, Any] = {
        f"{ZONE}/disks/tukur-data-2": {"name": "tukur-data-2", "labels": {"managed-by": "tukur"}},
        f"{ZONE}/instances/tukur-hub-old": {"name": "tukur-hub-old", "labels": labels("other")},
        f"projects/{PROJECT}/global/networks/default": {"name": "default"},
        f"projects/{PROJECT}/secrets/tukur": {"name": f"projects/{PROJECT}/secrets/tukur"},
        f"projects/{PROJECT}/global/instanceTemplates/tukur-member-x": {"name": "tukur-member-x"},
        f"projects/{PROJECT}/global/snapshots/s": {"name": "s", "labels": labels("other")},
    }
    cloud.state.resources.update(made)
    return made


def test_all_goes_but_the_data_and_what_others_made(
    gcp: Gcp, cloud: Google, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = strangers(cloud)
    assert gcp("apply") == 0
    cloud.state.add(
        f"projects/{PROJECT}/global/snapshots/daily-1", {"name": "daily-1", "labels": labels("tukur")}
    )
    assert gcp("destroy") == 0
    data = {"disks/tukur-data", "resourcePolicies/tukur-daily", "snapshots/daily-1"}
    data |= {"secrets/tukur-database", "secrets/tukur-database-root"}
    others = {"/".join(name.split("/")[-2:]) for name in theirs}
    assert left(cloud) == data | others
    assert "disk               tukur-data is kept with the data" in capsys.readouterr().out
    assert gcp("destroy", "--delete-data") == 0
    assert left(cloud) == others
    assert {name: cloud.state.resources[name] for name in theirs} == theirs
    (binding,) = cloud.state.policies[f"projects/{PROJECT}"]["bindings"]
    assert binding == {"role": "roles/viewer", "members": ["user:ana@example.org"]}
    # Nothing is left to do.
    before = len(cloud.changes())
    assert gcp("destroy", "--delete-data") == 0
    assert len(cloud.changes()) == before
    assert cloud.refused == []


def test_after_a_destroy_the_data_that_was_kept_is_taken_up_again(gcp: Gcp, cloud: Google) -> None:
    assert gcp("apply") == 0
    disk = cloud.state.resources[f"{ZONE}/disks/tukur-data"]["id"]
    assert gcp("destroy") == 0
    assert gcp("apply") == 0
    assert cloud.state.resources[f"{ZONE}/disks/tukur-data"]["id"] == disk
    assert gcp("status") == 0


def test_what_has_one_of_our_names_and_is_not_ours_is_left_alone(
    gcp: Gcp, cloud: Google, capsys: pytest.CaptureFixture[str]
) -> None:
    email = f"tukur-member@{PROJECT}.iam.gserviceaccount.com"
    account = f"projects/{PROJECT}/serviceAccounts/{email}"
    cloud.state.resources[account] = {"name": account, "email": email, "description": "the boss's"}
    cloud.state.policies[f"projects/{PROJECT}"] = {
        "bindings": [{"role": "roles/editor", "members": [f"serviceAccount:{email}"]}]
    }
    network = f"projects/{PROJECT}/global/networks/tukur"
    cloud.state.resources[network] = {"name": "tukur", "description": "the boss's"}
    assert gcp("destroy", "--delete-data") == 0
    assert cloud.changes() == []
    said = capsys.readouterr().out
    assert "network            tukur was not made by tukur; it is left alone" in said
    assert "service account    tukur-member was not made by tukur; it is left alone" in said


@pytest.mark.parametrize("applied", [True, False], ids=["answer-lost", "request-lost"])
def test_after_an_interruption_at_any_step_the_same_command_goes_on(
    gcp: Gcp, cloud: Google, applied: bool
) -> None:
    assert gcp("apply") == 0
    # Each run ends at its second change, so that each step is once the last one.
    for _ in range(40):
        cloud.cut_at(2, applied=applied)
        if gcp("destroy", "--delete-data") == 0:
            break
    assert left(cloud) == set()


def test_a_rule_that_somebody_added_to_the_network_is_named_and_holds_the_network(
    gcp: Gcp, cloud: Google, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gcp("apply") == 0
    name = f"projects/{PROJECT}/global/firewalls/open-all"
    cloud.state.add(name, {"name": "open-all", "network": f"{SITE}projects/{PROJECT}/global/networks/tukur"})
    assert gcp("status") == 0
    assert "firewall rule open-all on the network tukur was not made by tukur" in capsys.readouterr().out
    assert gcp("destroy") == Exit.CLOUD_FAILED
    assert "open-all" in capsys.readouterr().err
    assert name in cloud.state.resources
    del cloud.state.resources[name]
    assert gcp("destroy") == 0


def test_the_metric_goes_also_when_the_declaration_no_longer_names_it(
    gcp: Gcp, cloud: Google, file: Any
) -> None:
    content = file.read_text(encoding="utf-8")
    file.write_text(f"{content}[group]\nram-percent = 70\n", encoding="utf-8")
    assert gcp("apply") == 0
    file.write_text(content, encoding="utf-8")
    assert gcp("destroy", "--delete-data") == 0
    assert left(cloud) == set()
