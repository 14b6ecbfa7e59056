"""Where a database server is, and how to come in: read from one URL."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import parse_qsl, unquote, urlsplit

from tukur.hub.network import is_loopback

PORT = 3306
_SCHEMES = ("mysql", "mariadb")

SslMode = Literal["DISABLED", "VERIFY_CA", "VERIFY_IDENTITY"]
"""As the servers' own clients call them. Their PREFERRED and REQUIRED are not here: they encrypt for anybody
who answers."""


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """A database of a MariaDB or MySQL server."""

    user: str
    database: str
    host: str = "localhost"
    port: int = PORT
    socket: str = ""
    """Path of a Unix socket; host and port mean nothing then."""
    ssl_mode: SslMode = "DISABLED"
    ssl_ca: str = ""
    """A file of certificate authorities; empty: the system's."""
    ssl_cert: str = ""
    ssl_key: str = ""
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        """For people: without the password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        place = f"localhost ({self.socket})" if self.socket else f"{host}:{self.port}"
        return f"mysql://{self.user}@{place}/{self.database}"

    def ssl_context(self) -> ssl.SSLContext | None:
        """How the server is verified; None: nothing is encrypted. Raises OSError for a bad file."""
        if self.ssl_mode == "DISABLED":
            return None
        context = ssl.create_default_context(cafile=self.ssl_ca or None)
        context.check_hostname = self.ssl_mode == "VERIFY_IDENTITY"
        if self.ssl_cert:
            context.load_cert_chain(self.ssl_cert, self.ssl_key or None)
        return context


def parse_address(text: str) -> ServerAddress:
    """The address of ``mysql://USER[:PASSWORD]@HOST[:PORT]/DATABASE[?OPTION=VALUE&...]``.

    Options: socket, ssl-mode, ssl-ca, ssl-cert, ssl-key. Without ssl-mode a server on another machine is
    verified by name; on this one nothing is encrypted unless ssl-ca is given. Raises ValueError, whose text
    never holds the password.
    """
    try:
        parts = urlsplit(text)
        port = PORT if parts.port is None else parts.port
    except ValueError as error:
        raise ValueError("the database's URL has a host or a port that cannot be read") from error
    if parts.scheme not in _SCHEMES:
        raise ValueError(
            f"the database's URL begins with {parts.scheme[:20]!r}; mysql://USER@HOST/DATABASE expected"
        )
    name = unquote(parts.path.removeprefix("/"))
    if not name or "/" in name:
        raise ValueError(
            f"the database's URL names the database {name!r}; mysql://USER@HOST/DATABASE expected"
        )
    if not parts.username:
        raise ValueError("the database's URL names no user; mysql://USER@HOST/DATABASE expected")
    options = _options(parts.query)
    host, socket, ca = parts.hostname or "localhost", options["socket"], options["ssl-ca"]
    _check_files(options)
    return ServerAddress(
        user=unquote(parts.username),
        password=unquote(parts.password or ""),
        database=name,
        host=host,
        port=port,
        socket=socket,
        ssl_mode=_ssl_mode(options["ssl-mode"], near=bool(socket) or is_loopback(host), wanted=bool(ca)),
        ssl_ca=ca,
        ssl_cert=options["ssl-cert"],
        ssl_key=options["ssl-key"],
    )


def _options(query: str) -> dict[str, str]:
    found = dict.fromkeys(("socket", "ssl-mode", "ssl-ca", "ssl-cert", "ssl-key"), "")
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in found:
            raise ValueError(f"the database's URL has an option {name!r}; {', '.join(found)} expected")
        found[name] = value
    return found


def _check_files(options: dict[str, str]) -> None:
    for name in ("socket", "ssl-ca", "ssl-cert", "ssl-key"):
        if options[name] and not Path(options[name]).exists():
            raise ValueError(f"the database's URL says {name}={options[name]}, and there is no such file")


def _ssl_mode(text: str, *, near: bool, wanted: bool) -> SslMode:
    if not text:
        return "DISABLED" if near and not wanted else "VERIFY_IDENTITY"
    for mode in get_args(SslMode):
        if text.upper() == mode:
            return mode  # type: ignore[no-any-return]
    raise ValueError(f"the database's URL says ssl-mode={text}; {', '.join(get_args(SslMode))} expected")
