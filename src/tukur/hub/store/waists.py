"""The three narrow waists of the store: *control*, *facts*, *payloads* (see ``payloads.py``).

Each can later be served by another engine: control by a cluster, facts by a columnar database, payloads by an
object store. A part of the hub therefore takes the waist that it needs rather than the whole store. For all
waists:

- when the database fails, a method raises StoreError, and nothing of SQLAlchemy or of a driver;
- a method that changes something is one transaction: when it returns, the change is on disk; when it raises,
  nothing was changed. The method itself repeats a transaction that the server rolled back for a conflict;
- a method that reads sees one state of its own waist; two methods may see different states.
"""

from typing import Protocol

from tukur.hub.store.control.audit import AuditStore
from tukur.hub.store.control.enrolment import Enrolments
from tukur.hub.store.control.identity_conflicts import IdentityConflicts
from tukur.hub.store.control.instances import Instances
from tukur.hub.store.control.orders import OrderTable
from tukur.hub.store.control.sessions import Sessions
from tukur.hub.store.control.tokens import Tokens
from tukur.hub.store.control.users import Users
from tukur.hub.store.record.blocks import BlockStore
from tukur.hub.store.record.exits import ExitStore
from tukur.hub.store.record.gaps import GapStore
from tukur.hub.store.record.images import ImageStore
from tukur.hub.store.record.lives import LifeStore
from tukur.hub.store.record.ooms import OomStore
from tukur.hub.store.record.rollups import RollupStore


class Control(Protocol):
    """Who may do what, and what was decided: small, read all the time, changed seldom, never to be lost."""

    @property
    def enrolments(self) -> Enrolments:
        """Hosts with their keys, and the join tokens that make them."""

    @property
    def instances(self) -> Instances:
        """Hosts that are virtual machines of an instance group."""

    @property
    def identity_conflicts(self) -> IdentityConflicts:
        """Machines that used the key of another one."""

    @property
    def users(self) -> Users:
        """Users with their rights and second factors."""

    @property
    def sessions(self) -> Sessions:
        """Sessions, and the links that begin one."""

    @property
    def tokens(self) -> Tokens:
        """API tokens."""

    @property
    def orders(self) -> OrderTable:
        """Orders, and what became of them."""

    @property
    def audit(self) -> AuditStore:
        """The audit log: entries are added, never changed."""


class Facts(Protocol):
    """What was recorded: rows in large numbers, written once by ingest, read by time ranges, deleted by age.

    All that one block brings is written by ``blocks.put`` in one transaction with its payload.
    """

    @property
    def blocks(self) -> BlockStore:
        """Blocks by time, with their payloads, and the writing of all facts."""

    @property
    def lives(self) -> LifeStore:
        """Boots and lives, and the search for lives by what they ran."""

    @property
    def images(self) -> ImageStore:
        """What lives ran."""

    @property
    def rollups(self) -> RollupStore:
        """Minutes and hours."""

    @property
    def exits(self) -> ExitStore:
        """How lives ended, and what was lost."""

    @property
    def ooms(self) -> OomStore:
        """Processes killed by the OOM killer."""

    @property
    def gaps(self) -> GapStore:
        """Where samples are missing."""
