"""Signing in by an OpenID provider."""

from typing import Any
from urllib.parse import urlencode

from litestar import Request, Response, get
from litestar.datastructures import Cookie, State
from litestar.di import NamedDependency

from tukur.hub.api.routes.sessions import begun, client_of
from tukur.hub.auth.gate import origin_of
from tukur.hub.auth.identity import Identity
from tukur.hub.container import Hub
from tukur.hub.errors import ProblemError
from tukur.hub.models.account import SignInWays
from tukur.hub.oidc.provider import FLOW_S, Provider

ApiRequest = Request[Identity, Any, State]

PATH = "/api/oidc"
CARRIED = "tukur_oidc"
SESSION_S = 12 * 3600
"""Shorter than other sessions: what the provider takes away is seen at the next sign-in."""


@get(
    "/api/sign-in",
    operation_id="getSignInWays",
    summary="By what one can sign in here",
    tags=["session"],
    security=[{}],
)
async def ways(hub: NamedDependency[Hub]) -> SignInWays:
    """A password and a link always; an OpenID provider where the hub was given one."""
    return SignInWays(provider=hub.provider.settings.name if hub.provider else None)


@get(f"{PATH}/start", include_in_schema=False)
async def start(request: ApiRequest, hub: NamedDependency[Hub]) -> Response[None]:
    """Sends the browser to the provider."""
    try:
        url, carried = await _provider(hub).begin(_return_url(request, hub))
    except ProblemError as error:
        return _to_page(hub, error.code)
    return Response(
        None, status_code=303, headers={"Location": url}, cookies=[_carried(hub, carried, FLOW_S)]
    )


@get(f"{PATH}/return", include_in_schema=False)
async def finish(request: ApiRequest, hub: NamedDependency[Hub]) -> Response[None]:
    """Where the provider sends the browser back to."""
    origin = origin_of(request)
    try:
        provider = _provider(hub)
        hub.sign_in.check_address(origin)
        answer = {name: str(value) for name, value in request.query_params.items()}
        person = await provider.finish(request.cookies.get(CARRIED, ""), answer, _return_url(request, hub))
        user = await hub.users.vouched(provider.settings.issuer, person.subject, person.names, person.rights)
        signed_in = await hub.auth.begin(user, "provider", client_of(request), SESSION_S)
        if signed_in is None:
            raise ProblemError(403, "user_disabled", "this user is disabled")
    except ProblemError as error:
        if error.status in (401, 403, 409):
            hub.sign_in.failed(origin)
            await hub.audit.add("", "session.begin", "", error.code, origin, via="provider")
        return _to_page(hub, error.code)
    await hub.audit.add(user, "session.begin", origin=origin, via="provider")
    answer_to = _to_page(hub, "")
    answer_to.cookies.extend(await begun(request, hub, signed_in))
    return answer_to


def _provider(hub: Hub) -> Provider:
    if hub.provider is None:
        raise ProblemError(404, "provider_unknown", "this hub has no OpenID provider")
    return hub.provider


def _return_url(request: ApiRequest, hub: Hub) -> str:
    # The Host header holds a name of this hub: others do not come as far as here.
    scheme = "https" if hub.settings.tls.shown else "http"
    return f"{scheme}://{request.headers.get('host', '')}{PATH}/return"


def _carried(hub: Hub, value: str, max_age: int) -> Cookie:
    # Lax: the browser has to bring it along when the provider, another site, sends it back.
    return Cookie(
        key=CARRIED,
        value=value,
        max_age=max_age,
        path=PATH,
        httponly=True,
        samesite="lax",
        secure=hub.settings.tls.shown,
    )


def _to_page(hub: Hub, refused: str) -> Response[None]:
    where = f"/sign-in?{urlencode({'refused': refused})}" if refused else "/sign-in"
    return Response(None, status_code=303, headers={"Location": where}, cookies=[_carried(hub, "", 0)])
