"""Signing in with an OpenID provider."""

from typing import Any
from urllib.parse import urlencode

from litestar import Request, Response, get
from litestar.datastructures import Cookie, State
from litestar.di import NamedDependency

from tukur.hub.api.routes.sessions import client_of, session_cookies
from tukur.hub.auth.gate import origin_of
from tukur.hub.auth.identity import Identity
from tukur.hub.container import Hub
from tukur.hub.errors import ProblemError
from tukur.hub.models.account import SignInWays
from tukur.hub.oidc.provider import FLOW_S, Provider

ApiRequest = Request[Identity, Any, State]

PATH = "/api/oidc"
FLOW_COOKIE = "tukur_oidc"
SESSION_S = 12 * 3600
"""Shorter than other sessions: changes at the provider apply at the next sign-in."""


@get(
    "/api/sign-in",
    operation_id="getSignInWays",
    summary="The ways to sign in to this hub",
    tags=["session"],
    security=[{}],
)
async def ways(hub: NamedDependency[Hub]) -> SignInWays:
    """A password and a link are always possible; an OpenID provider if one is configured."""
    return SignInWays(provider=hub.provider.settings.name if hub.provider else None)


@get(f"{PATH}/start", include_in_schema=False)
async def start(request: ApiRequest, hub: NamedDependency[Hub]) -> Response[None]:
    """Redirects the browser to the provider."""
    try:
        url, flow_cookie = await _provider(hub).begin(_return_url(request, hub))
    except ProblemError as error:
        return _to_page(hub, error.code)
    return Response(
        None, status_code=303, headers={"Location": url}, cookies=[_flow_cookie(hub, flow_cookie, FLOW_S)]
    )


@get(f"{PATH}/return", include_in_schema=False)
async def finish(request: ApiRequest, hub: NamedDependency[Hub]) -> Response[None]:
    """The redirect URI: where the provider sends the browser back to."""
    origin = origin_of(request)
    try:
        provider = _provider(hub)
        hub.sign_in.check_address(origin)
        response = {name: str(value) for name, value in request.query_params.items()}
        user_info = await provider.finish(
            request.cookies.get(FLOW_COOKIE, ""), response, _return_url(request, hub)
        )
        user = await hub.users.from_provider(
            provider.settings.issuer, user_info.subject, user_info.names, user_info.rights
        )
        signed_in = await hub.auth.begin_session(user, "provider", client_of(request), SESSION_S)
        if signed_in is None:
            raise ProblemError(403, "user_disabled", "this user is disabled")
    except ProblemError as error:
        if error.status in (401, 403, 409):
            hub.sign_in.record_failure(origin)
            await hub.audit.add("", "session.begin", "", error.code, origin, via="provider")
        return _to_page(hub, error.code)
    await hub.audit.add(user, "session.begin", origin=origin, via="provider")
    redirect = _to_page(hub, "")
    redirect.cookies.extend(await session_cookies(request, hub, signed_in))
    return redirect


def _provider(hub: Hub) -> Provider:
    if hub.provider is None:
        raise ProblemError(404, "provider_unknown", "this hub has no OpenID provider")
    return hub.provider


def _return_url(request: ApiRequest, hub: Hub) -> str:
    # HostHeaderMiddleware has already rejected unknown names.
    scheme = "https" if hub.settings.tls.https else "http"
    return f"{scheme}://{request.headers.get('host', '')}{hub.settings.base_path}{PATH}/return"


def _flow_cookie(hub: Hub, value: str, max_age: int) -> Cookie:
    # Lax: the browser must send it when the provider, another site, redirects back.
    return Cookie(
        key=FLOW_COOKIE,
        value=value,
        max_age=max_age,
        path=f"{hub.settings.base_path}{PATH}",
        httponly=True,
        samesite="lax",
        secure=hub.settings.tls.https,
    )


def _to_page(hub: Hub, refused: str) -> Response[None]:
    where = f"{hub.settings.base_path}/sign-in"
    if refused:
        where += f"?{urlencode({'refused': refused})}"
    return Response(None, status_code=303, headers={"Location": where}, cookies=[_flow_cookie(hub, "", 0)])
