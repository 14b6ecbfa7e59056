"""Brings about what is declared. It keeps no state: what is there is the state, so it can be run again."""

from tukur.gcp.client import Client
from tukur.gcp.declaration import Declaration
from tukur.gcp.errors import CloudError, NameTakenError
from tukur.gcp.plan import Action, Plan, Step, make_plan
from tukur.gcp.progress import Progress

_VERBS = {Action.CREATE: "creating", Action.CHANGE: "changing", Action.DELETE: "deleting"}


def refuse_blocked(plan: Plan) -> None:
    """Raises CloudError for what cannot be brought about in place; nothing has been done then."""
    for step in plan.of(Action.BLOCKED):
        raise CloudError(
            f"{step.resource.title} {step.resource.name} cannot be changed in place "
            f"({'; '.join(map(str, step.found))}): undo the change, or delete it and apply again"
        )


def apply(client: Client, plan: Plan, progress: Progress) -> Plan:
    """Does what a plan says; the plan after it, which has no changes left.

    Raises CloudError where a step fails: those before it are done, and the same call goes on with the rest.
    """
    total, done = len(plan.changes), 0
    if plan.address is None:
        # What comes later is declared with the address in it.
        early = {resource.title for resource in plan.desired.before_address()}
        done = _run(
            client, plan, [one for one in plan.changes if one.resource.title in early], progress, 0, total
        )
        plan = make_plan(client, plan.declared)
    _run(client, plan, plan.changes, progress, done, total)
    # An operation of an interrupted run may have failed since: what is there is looked at again.
    plan = make_plan(client, plan.declared)
    if plan.changes:
        _run(client, plan, plan.changes, progress, total, total + len(plan.changes))
        plan = make_plan(client, plan.declared)
    refuse_incomplete(plan)
    return plan


def refuse_incomplete(plan: Plan) -> None:
    """Raises CloudError for what is not as declared after everything has been done."""
    for step in plan.changes:
        what = f"{step.resource.title} {step.resource.name}"
        why = "; ".join(map(str, step.found)) or "it is not there"
        raise CloudError(f"after all steps {what} is not as declared: {why}; run the same command again")


def _run(client: Client, plan: Plan, steps: list[Step], progress: Progress, done: int, total: int) -> int:
    refuse_blocked(plan)
    client.on_wait = progress.waiting
    for step in steps:
        what = f"{step.resource.title} {step.resource.name}"
        progress.begin(done + 1, max(total, done + 1), f"{_VERBS[step.action]} {what}")
        try:
            _do(client, plan.declared, step)
        except CloudError as error:
            after = f" ({done} of {total} steps are done; the same command goes on from here)"
            raise error.within(what, after) from error
        progress.done()
        done += 1
    return done


def _do(client: Client, declared: Declaration, step: Step) -> None:
    if step.action is Action.CREATE:
        _create(client, declared, step)
    elif step.action is Action.CHANGE:
        assert step.actual is not None  # noqa: S101 - there is no change to what is not there
        step.resource.repair(client, step.actual, step.found)
    elif step.action is Action.DELETE:
        step.resource.delete(client, step.actual or {})


def _create(client: Client, declared: Declaration, step: Step) -> None:
    try:
        step.resource.create(client)
    except CloudError as error:
        if error.status != 409 and error.reason != "RESOURCE_ALREADY_EXISTS":
            raise
        # The answer to an earlier attempt was lost, or somebody else was faster.
        actual = step.resource.read(client)
        if actual is None:
            raise
        if not step.resource.is_ours(actual, declared.name):
            raise NameTakenError(
                "the name was taken meanwhile by something that tukur did not make"
            ) from error
