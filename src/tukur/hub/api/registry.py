"""All routes, as plain lists; only that of the OpenAPI document itself is in ``openapi.py``."""

from typing import Any

from litestar.datastructures import State
from litestar.di import Provide

from tukur.hub.api.routes import (
    account,
    audit,
    exits,
    fleet,
    gaps,
    hosts,
    installer,
    lives,
    oidc,
    ooms,
    orders,
    pages,
    sessions,
    sockets,
    store,
    users,
)
from tukur.hub.container import Hub


async def _hub(state: State) -> Hub:
    hub: Hub = state.hub
    return hub


DEPENDENCIES = {"hub": Provide(_hub)}

API_ROUTES: list[Any] = [
    sessions.sign_in,
    sessions.get_session,
    sessions.sign_out,
    oidc.ways,
    account.get_account,
    account.set_password,
    account.end_session,
    account.end_other_sessions,
    account.begin_second_factor,
    account.confirm_second_factor,
    account.end_second_factor,
    users.list_users,
    users.add_user,
    users.change_user,
    users.remove_user,
    users.reset_user,
    users.end_sessions,
    hosts.list_hosts,
    hosts.get_host,
    hosts.get_series,
    hosts.get_devices,
    hosts.list_processes,
    hosts.list_top,
    hosts.list_fleet_top,
    hosts.get_difference,
    hosts.get_process,
    fleet.revoke_host,
    fleet.release_host,
    fleet.change_host,
    lives.find_lives,
    exits.list_exits,
    ooms.list_ooms,
    gaps.list_gaps,
    orders.create_order,
    orders.decide_order,
    orders.get_order,
    orders.list_orders,
    store.get_store,
    audit.list_audit,
    audit.export_audit,
    pages.health,
]
"""The routes in the OpenAPI document."""

OTHER_ROUTES: list[Any] = [
    sockets.agent,
    sockets.live,
    oidc.start,
    oidc.finish,
    pages.docs,
    pages.authorities,
    installer.install_script,
    installer.install_file,
    pages.root,
    pages.static,
]
