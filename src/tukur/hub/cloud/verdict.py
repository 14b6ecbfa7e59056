"""What an instance group's answer means for a host that is silent."""

from typing import Literal, NamedTuple

from tukur.hub.cloud.groups import ManagedInstance, Members
from tukur.hub.store.control.instances import LEFT, InstanceRow

State = Literal["online", "offline", "unknown", "suspended", "stopped", "left"]
"""What a host is: see ``docs/reference/glossary.md``."""

RUNNING = "running"
UNKNOWN = "unknown"
PREEMPTED = "preempted"
_ACTIONS = {
    "DELETING": (LEFT, "deleting"),
    "ABANDONING": (LEFT, "abandoned"),
    "RECREATING": (LEFT, "recreated"),
    "SUSPENDING": ("suspended", "suspending"),
    "STOPPING": ("stopped", "stopping"),
    "STARTING": ("stopped", "starting"),
    "RESUMING": ("suspended", "resuming"),
    "RESTARTING": ("stopped", "restarting"),
}
_STATUSES = {
    "DEPROVISIONING": (LEFT, "deleting"),
    "SUSPENDING": ("suspended", "suspending"),
    "SUSPENDED": ("suspended", "suspended"),
    "PENDING_STOP": ("stopped", "stopping"),
    "STOPPING": ("stopped", "stopping"),
    "STOPPED": ("stopped", "stopped"),
    "TERMINATED": ("stopped", "stopped"),
    "REPAIRING": ("stopped", "repairing"),
    "PENDING": ("stopped", "starting"),
    "PROVISIONING": ("stopped", "starting"),
    "STAGING": ("stopped", "starting"),
}


class Verdict(NamedTuple):
    """``running``, ``left``, ``suspended``, ``stopped`` or ``unknown``, and a word for the reason."""

    state: str
    reason: str = ""


def judge(instance: InstanceRow, members: Members) -> Verdict:
    """What has become of a machine, by ``listManagedInstances`` of its group.

    - ``managedInstances[].id``: a machine that was created anew under the same name has another one, and none
      while it is being created (*left*, recreated); without ID and name the group has let it go (*left*,
      removed: a scale-in that is over, or a preempted machine that was not replaced).
    - ``currentAction``: DELETING (a scale-in that has begun), ABANDONING, RECREATING (autohealing, an update)
      are *left*; SUSPENDING, RESUMING are *suspended*; STOPPING, STARTING, RESTARTING are *stopped*.
      CREATING, VERIFYING and REFRESHING concern a machine that runs.
    - ``instanceStatus``: SUSPENDED is *suspended*; STOPPING, STOPPED, TERMINATED without an action of the
      group is a stop from outside of it: by a person, from within, or a preemption (*stopped*), see
      :func:`preempted`.
    - A live migration changes neither: the status stays RUNNING, and the boot ID is the same when the host is
      back. So a host that is RUNNING is *running*, and is reported down only after a while
      (``lifecycle.GRACE_S``).
    """
    found = members.by_id.get(instance.instance_id)
    if found is None:
        return Verdict(LEFT, "recreated" if instance.name in members.by_name else "removed")
    return _of_member(found)


def preempted(verdict: Verdict) -> Verdict:
    """The same of a machine whose own metadata server (``instance/preempted``) said that it is preempted.

    The group's answer does not tell a preemption from another stop; the word of the machine changes the
    reason alone.
    """
    told = verdict.state == "stopped" or verdict.reason in ("removed", "recreated")
    return Verdict(verdict.state, PREEMPTED) if told else verdict


def _of_member(found: ManagedInstance) -> Verdict:
    by_action = _ACTIONS.get(found.current_action)
    return Verdict(*(by_action or _STATUSES.get(found.instance_status, (RUNNING, ""))))


def state_of(instance: InstanceRow | None, seen_ms: int | None, *, online: bool) -> State:
    """What a host is: by its connection, when it was last heard, and what its group said since then.

    What a group said before that counts for nothing: nothing of the past hides a host that is back.
    """
    if online:
        return "online"
    if instance is None:
        return "offline"
    if instance.asked_ms <= (seen_ms or 0):
        return "unknown"
    states: dict[str, State] = {
        RUNNING: "offline",
        LEFT: "left",
        "suspended": "suspended",
        "stopped": "stopped",
    }
    return states.get(instance.state, "unknown")
