"""The composition root: the only place that wires the hub."""

import contextlib
import functools
import logging
import time
from collections.abc import AsyncIterator

from litestar import Litestar

from tukur import __version__, heap
from tukur.hub.address import write_own_address
from tukur.hub.api.disconnect import CancelOnDisconnect
from tukur.hub.api.openapi import openapi
from tukur.hub.api.problems import HANDLERS
from tukur.hub.api.registry import API_ROUTES, DEPENDENCIES, OTHER_ROUTES
from tukur.hub.api.revalidation import Revalidation
from tukur.hub.audit.log import AuditLog, audit_key
from tukur.hub.auth.account_key import AccountKey
from tukur.hub.auth.gate import check_rights, guard
from tukur.hub.auth.host_header import HostHeaderMiddleware, host_names
from tukur.hub.auth.passwords import Passwords
from tukur.hub.auth.second_factor import SecondFactor
from tukur.hub.auth.service import Auth
from tukur.hub.auth.sign_in import SignIn
from tukur.hub.auth.users import UserAdmin
from tukur.hub.base_path import BasePathMiddleware
from tukur.hub.bus import Bus
from tukur.hub.cloud.api import GoogleApi
from tukur.hub.cloud.groups import Groups
from tukur.hub.cloud.joining import InstanceJoins
from tukur.hub.cloud.lifecycle import Lifecycle
from tukur.hub.container import Hub
from tukur.hub.history.history import History
from tukur.hub.hosts.enrolment import Enrolment
from tukur.hub.hosts.fleet import Fleet
from tukur.hub.hosts.presence import Presence
from tukur.hub.ingest.connections import Ingest
from tukur.hub.ingest.writer import IngestWriter
from tukur.hub.live import Live
from tukur.hub.maintenance.maintenance import Maintenance
from tukur.hub.network import own_names
from tukur.hub.oidc.provider import Provider
from tukur.hub.orders.key import OrderKey
from tukur.hub.orders.orders import Orders
from tukur.hub.settings import HubSettings
from tukur.hub.store.errors import StoreError
from tukur.hub.store.store import Store
from tukur.hub.tls.serving import Tls
from tukur.supervisor import Supervisor

__all__ = ["HubSettings", "create_app", "open_hub"]

log = logging.getLogger(__name__)

MAX_BODY = 64 * 1024
"""Largest request body, bytes."""


async def open_hub(settings: HubSettings) -> Hub:
    """Opens the store and wires the parts. Raises StoreError, CertificateError."""
    tls = Tls(settings.tls, settings.data_dir, own_names(settings.host, settings.allowed_hosts))
    store = await Store.open(settings.data_dir, settings.database, exclusive=True)
    for host_id, public, name in settings.enrol:
        await store.control.enrolments.enrol(host_id, public, name, time.time_ns())
    bus = Bus()
    presence = Presence(bus)
    ingest_writer = IngestWriter(store.facts, presence)
    auth = Auth(store.control, bus)
    account_key = AccountKey(settings.data_dir)
    passwords = Passwords()
    second_factor = SecondFactor(store.control.users, account_key)
    audit = AuditLog(store.control.audit, settings.data_dir, audit_key(settings.data_dir))
    live = Live(store.control, bus, presence, auth)
    order_key = OrderKey(settings.data_dir)
    groups = Groups(settings.google, GoogleApi()) if settings.google else None
    joins = InstanceJoins(settings.google, groups) if settings.google and groups else None
    enrolment = Enrolment(store.control.enrolments, store.control.instances, tls, audit, order_key, joins)
    return Hub(
        settings=settings,
        store=store,
        bus=bus,
        presence=presence,
        ingest_writer=ingest_writer,
        ingest=Ingest(store.control, bus, presence, ingest_writer, enrolment),
        live=live,
        orders=Orders(store, bus, presence, audit, order_key, reason_needed=settings.reason_needed),
        history=History(store, bus, presence, live),
        auth=auth,
        sign_in=SignIn(store.control.users, passwords, second_factor, account_key),
        users=UserAdmin(store.control, auth, passwords, second_factor),
        second_factor=second_factor,
        provider=Provider(settings.oidc, account_key) if settings.oidc else None,
        audit=audit,
        maintenance=Maintenance(store, settings.keep, settings.data_dir),
        tls=tls,
        lifecycle=Lifecycle(store.control.instances, groups, presence, bus) if groups else None,
        fleet=Fleet(store.control, bus, presence, enrolment, tls, order_key),
        supervisor=Supervisor(),
    )


@contextlib.asynccontextmanager
async def _background(hub: Hub) -> AsyncIterator[None]:
    try:
        async with hub.supervisor as supervisor:
            supervisor.run("ingest", hub.ingest_writer.run)
            supervisor.run("orders", hub.orders.run)
            supervisor.run("maintenance", hub.maintenance.run)
            supervisor.run("heap", heap.run)
            if hub.lifecycle is not None:
                supervisor.run("lifecycle", hub.lifecycle.run)
            # It also renews the certificates.
            supervisor.run("fleet", hub.fleet.run)
            await _begin_audit(hub)
            write_own_address(hub.settings, hub.tls.names)
            yield
    finally:
        await hub.store.close()


async def _begin_audit(hub: Hub) -> None:
    try:
        await hub.audit.is_whole()
        await hub.audit.add("hub", "hub.start", version=__version__, keep=hub.settings.keep)
    except StoreError as error:
        # Reading still works; actions that must be logged are refused until the log can be written.
        log.error("the audit log cannot be written: %s", error)


@functools.lru_cache(maxsize=4)
def _accepted_names(host: str, given: tuple[str, ...], certified: tuple[str, ...]) -> frozenset[str]:
    return host_names((*own_names(host, given), *certified))


def create_app(hub: Hub) -> Litestar:
    """The ASGI application of one hub, which it closes when it ends."""
    app = Litestar(
        [*API_ROUTES, *OTHER_ROUTES, openapi],
        dependencies=DEPENDENCIES,
        guards=[guard],
        exception_handlers=HANDLERS,
        lifespan=[lambda _: _background(hub)],
        # The document is served by a route of our own, behind the sign-in.
        openapi_config=None,
        logging_config=None,
        request_max_body_size=MAX_BODY,
    )
    app.state.hub = hub
    # Around the whole application: Litestar's own middleware does not see what no route answers.
    settings = hub.settings
    named = HostHeaderMiddleware(
        Revalidation(CancelOnDisconnect(app.asgi_handler)),
        lambda: _accepted_names(hub.settings.host, hub.settings.allowed_hosts, hub.tls.names),
        hsts=settings.tls.externally_issued,
    )
    app.asgi_handler = BasePathMiddleware(named, settings.base_path)
    check_rights(app.routes)
    return app
