"""What a group's answer means for a silent host, by the fields that Google documents."""

import pytest

from tukur.hub.cloud.groups import ManagedInstance, Members
from tukur.hub.cloud.verdict import Verdict, judge, preempted, state_of
from tukur.hub.store.control.instances import InstanceRow

GROUP = "regions/europe-west1/instanceGroupManagers/web"
MACHINE = InstanceRow("4711", "web-aaaa", GROUP, "europe-west1-b")


def member(status: str, action: str = "NONE", number: str = "4711") -> list[ManagedInstance]:
    return [ManagedInstance(number, "web-aaaa", "", status, action)]


@pytest.mark.parametrize(
    ("members", "state", "reason"),
    [
        ([], "left", "removed"),
        (member("RUNNING", number="4712"), "left", "recreated"),
        (member("", "RECREATING", number=""), "left", "recreated"),
        (member("", "CREATING", number=""), "left", "recreated"),
        (member("RUNNING", "DELETING"), "left", "deleting"),
        (member("STOPPING", "DELETING"), "left", "deleting"),
        (member("DEPROVISIONING"), "left", "deleting"),
        (member("RUNNING", "ABANDONING"), "left", "abandoned"),
        (member("TERMINATED", "RECREATING"), "left", "recreated"),
        (member("RUNNING", "SUSPENDING"), "suspended", "suspending"),
        (member("SUSPENDED"), "suspended", "suspended"),
        (member("SUSPENDED", "RESUMING"), "suspended", "resuming"),
        (member("STOPPING"), "stopped", "stopping"),
        (member("TERMINATED"), "stopped", "stopped"),
        (member("STOPPED"), "stopped", "stopped"),
        (member("TERMINATED", "STARTING"), "stopped", "starting"),
        (member("RUNNING", "RESTARTING"), "stopped", "restarting"),
        (member("REPAIRING"), "stopped", "repairing"),
        (member("STAGING"), "stopped", "starting"),
        (member("RUNNING"), "running", ""),
        (member("RUNNING", "VERIFYING"), "running", ""),
        (member("RUNNING", "REFRESHING"), "running", ""),
        (member("A_STATUS_OF_THE_FUTURE", "AN_ACTION_TOO"), "running", ""),
    ],
)
def test_what_becomes_of_a_machine_is_read_from_its_group(
    members: list[ManagedInstance], state: str, reason: str
) -> None:
    another = ManagedInstance("1", "web-zzzz", "", "RUNNING", "NONE")
    assert judge(MACHINE, Members.of([*members, another])) == Verdict(state, reason)


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (Verdict("stopped", "stopping"), Verdict("stopped", "preempted")),
        (Verdict("left", "recreated"), Verdict("left", "preempted")),
        (Verdict("left", "removed"), Verdict("left", "preempted")),
        (Verdict("left", "deleting"), Verdict("left", "deleting")),
        (Verdict("running"), Verdict("running")),
        (Verdict("unknown"), Verdict("unknown")),
    ],
)
def test_what_a_machine_says_of_its_preemption_changes_the_reason_and_never_the_state(
    verdict: Verdict, expected: Verdict
) -> None:
    assert preempted(verdict) == expected


def said(state: str, asked_ms: int = 1001) -> InstanceRow:
    return InstanceRow("4711", "web-aaaa", GROUP, "europe-west1-b", state, "", asked_ms)


@pytest.mark.parametrize(
    ("instance", "online", "state"),
    [
        (None, True, "online"),
        (None, False, "offline"),
        (said("left"), True, "online"),
        (said("left"), False, "left"),
        (said("left", 1000), False, "unknown"),
        (said("running", 999), False, "unknown"),
        (said("running"), False, "offline"),
        (said("suspended"), False, "suspended"),
        (said("stopped"), False, "stopped"),
        (said("unknown"), False, "unknown"),
        (MACHINE, False, "unknown"),
    ],
)
def test_a_host_is_what_its_group_said_since_it_was_last_heard(
    instance: InstanceRow | None, online: bool, state: str
) -> None:
    assert state_of(instance, 1000, online=online) == state
