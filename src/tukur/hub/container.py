"""The components of a hub, injected into the routes. Wired in ``app.py``."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # Types only: openapi.py must not need a database driver.
    from tukur.hub.audit.log import AuditLog
    from tukur.hub.auth.second_factor import SecondFactor
    from tukur.hub.auth.service import Auth
    from tukur.hub.auth.sign_in import SignIn
    from tukur.hub.auth.users import UserAdmin
    from tukur.hub.bus import Bus
    from tukur.hub.cloud.lifecycle import Lifecycle
    from tukur.hub.history.history import History
    from tukur.hub.hosts.fleet import Fleet
    from tukur.hub.hosts.presence import Presence
    from tukur.hub.ingest.connections import Ingest
    from tukur.hub.ingest.writer import IngestWriter
    from tukur.hub.live import Live
    from tukur.hub.maintenance.maintenance import Maintenance
    from tukur.hub.oidc.provider import Provider
    from tukur.hub.orders.orders import Orders
    from tukur.hub.settings import HubSettings
    from tukur.hub.store.store import Store
    from tukur.hub.tls.serving import Tls
    from tukur.supervisor import Supervisor


class Hub:
    """All components of one running hub.

    Deliberately not a dataclass: Litestar would treat it as data and try to convert it.
    """

    def __init__(  # noqa: PLR0913 - one for each component, by keyword
        self,
        *,
        settings: "HubSettings",
        store: "Store",
        bus: "Bus",
        presence: "Presence",
        ingest_writer: "IngestWriter",
        ingest: "Ingest",
        live: "Live",
        orders: "Orders",
        history: "History",
        auth: "Auth",
        sign_in: "SignIn",
        users: "UserAdmin",
        second_factor: "SecondFactor",
        provider: "Provider | None",
        audit: "AuditLog",
        maintenance: "Maintenance",
        tls: "Tls",
        lifecycle: "Lifecycle | None",
        fleet: "Fleet",
        supervisor: "Supervisor",
    ) -> None:
        self.settings = settings
        self.store = store
        self.bus = bus
        self.presence = presence
        self.ingest_writer = ingest_writer
        self.ingest = ingest
        self.live = live
        self.orders = orders
        self.history = history
        self.auth = auth
        self.sign_in = sign_in
        self.users = users
        self.second_factor = second_factor
        self.provider = provider
        self.audit = audit
        self.maintenance = maintenance
        self.tls = tls
        self.lifecycle = lifecycle
        self.fleet = fleet
        self.supervisor = supervisor
