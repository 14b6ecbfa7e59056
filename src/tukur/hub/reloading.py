"""Applies changed settings to a running hub."""

import ssl
from dataclasses import replace

from tukur.hub.address import write_own_address
from tukur.hub.auth.account_key import AccountKey
from tukur.hub.container import Hub
from tukur.hub.network import own_names
from tukur.hub.oidc.provider import Provider
from tukur.hub.settings import HubSettings
from tukur.hub.tls.authority import CertificateError


def apply_settings(hub: Hub, settings: HubSettings) -> None:
    """Applies names, certificate files, provider, retention, reasons and installer; the rest stays as it is.

    Another kind of certificate is not applied. Raises CertificateError: then nothing was changed.
    """
    now = hub.settings
    wanted = replace(
        now,
        allowed_hosts=settings.allowed_hosts,
        tls=settings.tls if settings.tls.kind == now.tls.kind else now.tls,
        installer=settings.installer,
        oidc=settings.oidc,
        reason_needed=settings.reason_needed,
        keep=settings.keep,
    )
    if wanted == now:
        return
    provider = hub.provider if wanted.oidc == now.oidc else _provider(wanted)
    hub.tls.change(wanted.tls, own_names(wanted.host, wanted.allowed_hosts))
    hub.provider = provider
    hub.orders.reason_needed = wanted.reason_needed
    hub.maintenance.keep = wanted.keep
    hub.settings = wanted
    write_own_address(wanted, hub.tls.names)


def _provider(settings: HubSettings) -> Provider | None:
    if settings.oidc is None:
        return None
    try:
        return Provider(settings.oidc, AccountKey(settings.data_dir))
    except ssl.SSLError as error:
        raise CertificateError(f"cannot load {settings.oidc.ca}; a certificate expected: {error}") from error
