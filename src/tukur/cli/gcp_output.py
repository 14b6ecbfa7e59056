"""What ``tukur gcp`` prints: plans, costs, and how far it is."""

import sys
import time
from collections.abc import Sequence

from tukur.gcp.declaration import Declaration
from tukur.gcp.destroy import Removal
from tukur.gcp.plan import Action, Plan, Step
from tukur.gcp.prices import AS_OF, estimate
from tukur.gcp.status import Member

_BAR = 20


def print_plan(plan: Plan, *, whole: bool = False) -> None:
    """A line for each resource that changes, or for each."""
    declared = plan.declared
    print(f"project {declared.project}, region {declared.region}, installation {declared.name}")
    for step in plan.steps if whole else plan.changes:
        print(_line(step))
    for warning in plan.warnings:
        print(f"  ! {warning}")
    counts = [f"{len(plan.of(action))} {text}" for action, text in _TEXTS.items() if plan.of(action)]
    print("; ".join(counts))


_TEXTS = {
    Action.CREATE: "to create",
    Action.CHANGE: "to change",
    Action.DELETE: "to delete",
    Action.BLOCKED: "that cannot be changed in place",
    Action.KEEP: "as declared",
}


def _line(step: Step) -> str:
    name = step.resource.name
    if step.action is Action.CREATE and step.resource.title == "instance template":
        # Its last word depends on the hub's address, which may not be reserved yet.
        name = f"{name.rpartition('-')[0]}-…"
    found = f"  {'; '.join(map(str, step.found))}" if step.found else ""
    return f"  {step.action.value} {step.resource.title:<18} {name}{found}"


def print_costs(declared: Declaration) -> None:
    """The estimate, by the month."""
    print(f"cost in US dollars a month, by the list prices of {AS_OF}, without traffic and snapshots:")
    for cost in estimate(declared):
        print(f"    {cost.what:<44} {_dollars(cost.smallest, cost.largest)}")


def _dollars(smallest: float | None, largest: float | None) -> str:
    if smallest is None or largest is None:
        return "not in the price table"
    return f"{smallest:.2f}" if f"{smallest:.2f}" == f"{largest:.2f}" else f"{smallest:.2f} to {largest:.2f}"


def print_members(members: Sequence[Member]) -> None:
    """The VMs of the group."""
    print(f"{len(members)} VMs in the group")
    for member in members:
        busy = "" if member.action == "NONE" else f", {member.action.lower()}"
        print(f"    {member.name:<28} {member.zone:<20} {member.status.lower() or 'not yet there'}{busy}")


def print_removal(removal: Removal, declared: Declaration) -> None:
    """What goes, what stays, and why."""
    print(f"project {declared.project}, installation {declared.name}")
    for resource, _ in removal.deleted:
        print(f"  - {resource.title:<18} {resource.name}")
    for resource in removal.kept:
        print(f"    {resource.title:<18} {resource.name} is kept with the data; --delete-data deletes it")
    for resource in removal.strangers:
        print(f"    {resource.title:<18} {resource.name} was not made by tukur; it is left alone")
    print(f"{len(removal.deleted)} to delete, {len(removal.kept)} kept")


class LineProgress:
    """On a terminal one line that moves, elsewhere a line for each step."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._text = ""
        self._number = self._total = 0
        self._start = 0.0
        self._open = False
        """Whether the line on the terminal is not ended yet."""

    def __enter__(self) -> "LineProgress":
        return self

    def __exit__(self, *_: object) -> None:
        # What is printed next, an error, has a line of its own.
        if self._open:
            print(file=sys.stderr)

    def begin(self, number: int, total: int, what: str) -> None:
        """The so-manieth step begins."""
        self._number, self._total, self._text = number, total, what
        self._start = time.monotonic()
        if self._terminal:
            self._draw(number - 1, what)

    def waiting(self, seconds: float) -> None:
        """Google has been working on it for so long."""
        if self._terminal:
            self._draw(self._number - 1, f"{self._text}, {seconds:.0f} s")

    def done(self) -> None:
        """The step is done."""
        if not self._terminal:
            seconds = time.monotonic() - self._start
            print(
                f"{self._number}/{self._total} {self._text}: done in {seconds:.1f} s",
                file=sys.stderr,
                flush=True,
            )
        elif self._number >= self._total:
            self._draw(self._total, "done")
            print(file=sys.stderr)
            self._open = False

    def _draw(self, done: int, text: str) -> None:
        filled = _BAR * done // max(self._total, 1)
        bar = "#" * filled + "." * (_BAR - filled)
        self._open = True
        print(f"\r\033[K[{bar}] {done}/{self._total} {text}", end="", file=sys.stderr, flush=True)
