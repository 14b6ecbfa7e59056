"""Options that say how the hub is encrypted: the same for ``up`` and ``hub``."""

import argparse
from pathlib import Path

from tukur.cli.errors import CommandError, Exit
from tukur.hub.network import is_loopback
from tukur.hub.tls.settings import TlsSettings

_FILES = (
    (
        "--tls-cert",
        "FILE",
        "the hub's certificate with its chain (default: one issued by the hub's own authority)",
    ),
    ("--tls-key", "FILE", "the key of --tls-cert"),
    (
        "--behind-proxy",
        "CERT",
        "listen without TLS for a proxy on this machine that presents this certificate",
    ),
    (
        "--tls-ca",
        "FILE",
        "the authority that agents trust for the given certificate instead of those of their system",
    ),
)


def add_tls_options(parser: argparse.ArgumentParser) -> None:
    """Which certificate."""
    for name, metavar, text in _FILES:
        parser.add_argument(name, type=Path, default=None, metavar=metavar, help=text)


def tls_settings(options: argparse.Namespace) -> TlsSettings:
    """Where the certificate comes from. Raises CommandError. Beyond this machine there is no plain HTTP."""
    certificate, key, proxied, ca = (_file(options, name) for name, _, _ in _FILES)
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


def _file(options: argparse.Namespace, name: str) -> Path | None:
    path: Path | None = getattr(options, name[2:].replace("-", "_"))
    return path.expanduser().absolute() if path is not None else None


def tls_arguments(options: argparse.Namespace) -> list[str]:
    """The same options, for the hub that ``up`` starts."""
    given = [(name, _file(options, name)) for name, _, _ in _FILES]
    return [word for name, path in given if path is not None for word in (name, str(path))]
