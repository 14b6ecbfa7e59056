"""How the hub is encrypted: the same for ``up`` and ``hub``."""

import argparse
from pathlib import Path

from tukur.cli.errors import CommandError, Exit
from tukur.hub.network import is_loopback
from tukur.hub.tls.settings import TlsSettings


def tls_settings(options: argparse.Namespace) -> TlsSettings:
    """Where the certificate comes from. Raises CommandError. Beyond this machine there is no plain HTTP."""
    certificate, key = _absolute(options.tls_cert), _absolute(options.tls_key)
    proxied, ca = _absolute(options.behind_proxy), _absolute(options.tls_ca)
    if (certificate is None) != (key is None):
        raise CommandError(Exit.USAGE, "--tls-cert and --tls-key belong together; both expected")
    if proxied is not None and certificate is not None:
        raise CommandError(Exit.USAGE, "--behind-proxy and --tls-cert exclude each other; one expected")
    if proxied is not None and not is_loopback(options.host):
        raise CommandError(
            Exit.USAGE,
            f"--behind-proxy with --host {options.host}: plain HTTP is allowed on loopback addresses only",
        )
    if ca is not None and certificate is None and proxied is None:
        raise CommandError(Exit.USAGE, "--tls-ca needs a given certificate; --tls-cert expected")
    own = certificate is None and proxied is None and not is_loopback(options.host)
    return TlsSettings(own, certificate, key, proxied, ca)


def _absolute(path: Path | None) -> Path | None:
    return path.expanduser().absolute() if path is not None else None
