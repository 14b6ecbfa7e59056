"""The settings of the daemons: one table behind flags, environment, files, help, manual and schema.

A setting has one name: ``tls-key`` is ``--tls-key`` on the command line, ``TUKUR_TLS_KEY`` in the
environment and ``tls-key`` in a file.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tukur.cli.settings.kinds import (
    DURATION,
    FILE,
    FOLDER,
    LEVEL,
    LINES,
    NAMES,
    ORDER_KEY,
    PORT,
    POSITIVE,
    SIZE,
    SWITCH,
    TEXT,
    URL_PATH,
    Kind,
)


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """One setting; there is one instance of each."""

    name: str
    kind: Kind
    help: str
    """One sentence part in Markdown; links are relative to docs/reference."""
    default: Any = None
    default_text: str = ""
    """What the default is, where the value does not say it."""
    metavar: str = ""
    aliases: tuple[str, ...] = ()
    """Further flags."""
    secret: bool = False
    """Whether it also comes from a credential or a file named by ``…_FILE``, and is never shown."""
    by_file: bool = False
    """Whether flag and file name a file with the secret instead of the secret itself."""
    in_file: bool = True
    """Whether a settings file may contain it."""
    reloads: bool = False
    """Whether a running daemon applies a change on SIGHUP; all others take a restart."""

    @property
    def option(self) -> str:
        """The flag without its dashes, which is also the key in a file."""
        return f"{self.name}-file" if self.by_file else self.name

    @property
    def dest(self) -> str:
        """The attribute of the parsed options."""
        return self.name.replace("-", "_")

    @property
    def variable(self) -> str:
        """The environment variable; for a secret another with ``_FILE`` at its end names a file."""
        return f"TUKUR_{self.dest.upper()}"

    @property
    def shown_metavar(self) -> str:
        """The placeholder of its value; empty for a switch."""
        return "" if self.kind is SWITCH else self.metavar or self.kind.metavar

    @property
    def shown_default(self) -> str:
        """The default for a person; empty: none."""
        return self.default_text or (str(self.default) if self.default and self.kind is not SWITCH else "")


@dataclass(frozen=True, slots=True)
class Group:
    """Settings that belong together, in the help and in the manual."""

    title: str
    settings: tuple[Setting, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Program:
    """A daemon, and the file of its settings."""

    name: str
    file: Path
    groups: tuple[Group, ...]

    @property
    def settings(self) -> tuple[Setting, ...]:
        """Of all groups."""
        return settings_of(self.groups)


def settings_of(groups: Iterable[Group]) -> tuple[Setting, ...]:
    """The settings of some groups, each once."""
    return tuple(dict.fromkeys(setting for group in groups for setting in group.settings))


CONFIG = Setting(
    "config",
    FILE,
    "read this [settings file](settings.md) instead of the one in `/etc/tukur`",
    in_file=False,
)
POLICY = Setting(
    "policy",
    FILE,
    "the [host policy](policy.md): what the hub may do here",
    default=Path("/etc/tukur/policy.toml"),
    reloads=True,
)

DATA = Group(
    "data directory",
    (
        Setting(
            "data",
            FOLDER,
            "the data directory, for the record and the keys",
            default_text="`$STATE_DIRECTORY` of a systemd unit, otherwise `$XDG_STATE_HOME/tukur`, otherwise "
            "`~/.local/state/tukur`",
        ),
        CONFIG,
    ),
)
DATABASE = Group(
    "database",
    (
        Setting(
            "database",
            TEXT,
            "`mysql://USER@HOST[:PORT]/DATABASE` of a [MariaDB or MySQL server](databases.md)",
            default_text="a SQLite file in the data directory",
            metavar="URL",
            secret=True,
        ),
        Setting(
            "database-password",
            FILE,
            "a file whose first line is the database user's password",
            secret=True,
            by_file=True,
        ),
    ),
)
LOG = Group(
    "log",
    (Setting("log-level", LEVEL, "`debug`, `info`, `warning` or `error`", default="info", reloads=True),),
)
ADDRESS = Group(
    "address and certificate",
    (
        Setting(
            "host",
            TEXT,
            "address to listen on; any address other than loopback implies TLS",
            default="127.0.0.1",
            metavar="HOST",
        ),
        Setting("port", PORT, "port to listen on", default=8787),
        Setting(
            "name",
            NAMES,
            "another name for the hub, for browsers and agents; also added to the hub's own certificate",
            default=[],
            metavar="NAME",
            aliases=("--allow-host",),
            reloads=True,
        ),
        Setting(
            "base-path",
            URL_PATH,
            "the path under which [a proxy](../how-to/run-behind-a-proxy.md) serves the hub, "
            "such as `/tukur`",
            default="/",
        ),
        Setting("require-reason", SWITCH, "do not send orders without a reason", default=False, reloads=True),
        Setting(
            "tls-cert",
            FILE,
            "the hub's certificate, with intermediate certificates",
            default_text="one issued by the hub's own authority",
            reloads=True,
        ),
        Setting("tls-key", FILE, "the key of `--tls-cert`", reloads=True),
        Setting(
            "behind-proxy",
            FILE,
            "listen without TLS for a proxy on this machine, which presents this certificate",
            metavar="CERT",
            reloads=True,
        ),
        Setting(
            "tls-ca",
            FILE,
            "agents trust this authority for `--tls-cert` or `--behind-proxy` instead of their system's "
            "authorities",
            reloads=True,
        ),
        Setting(
            "installer",
            FOLDER,
            "what `/install.sh` installs, made by `make installer`",
            default_text="`installer` in the data directory, if it is there",
            reloads=True,
        ),
    ),
)
OIDC = Group(
    "OpenID provider",
    (
        Setting(
            "oidc-issuer",
            TEXT,
            "let users [sign in with this OpenID provider]"
            "(../how-to/manage-users.md#sign-in-with-an-openid-provider)",
            metavar="URL",
            reloads=True,
        ),
        Setting("oidc-client-id", TEXT, "the hub's client ID at the provider", metavar="ID", reloads=True),
        Setting(
            "oidc-client-secret",
            FILE,
            "a file with the client secret, not readable by others",
            secret=True,
            by_file=True,
            reloads=True,
        ),
        Setting(
            "oidc-name",
            TEXT,
            "the provider's name on the sign-in page",
            default="OpenID",
            metavar="NAME",
            reloads=True,
        ),
        Setting(
            "oidc-role-claim",
            TEXT,
            "the claim that decides the roles",
            default="groups",
            metavar="CLAIM",
            reloads=True,
        ),
        Setting(
            "oidc-ca",
            FILE,
            "the authority of the provider's certificate",
            default_text="those of the system",
            reloads=True,
        ),
        Setting(
            "oidc-role",
            LINES,
            "users with this value of the claim get this role, on all hosts or on a host group",
            default=[],
            metavar="VALUE=ROLE[@GROUP]",
            reloads=True,
        ),
    ),
)
GOOGLE = Group(
    "machines of Google Compute Engine",
    (
        Setting(
            "google-project",
            TEXT,
            "virtual machines of this project [may join by their identity](../how-to/join-machines.md"
            "#machines-of-a-google-cloud-instance-group)",
            metavar="ID",
        ),
        Setting(
            "google-groups",
            NAMES,
            "the managed instance groups whose machines may join",
            default=[],
            metavar="regions/REGION/instanceGroupManagers/NAME",
        ),
        Setting(
            "google-certs-url",
            TEXT,
            "the keys by which Google signs identity tokens",
            default="https://www.googleapis.com/oauth2/v3/certs",
            metavar="URL",
        ),
        Setting(
            "google-compute-url",
            TEXT,
            "the Compute Engine API",
            default="https://compute.googleapis.com/compute/v1",
            metavar="URL",
        ),
    ),
)
RETENTION = Group(
    "retention",
    (
        Setting(
            "keep-seconds",
            DURATION,
            "how long to keep every process at every second",
            default="7d",
            reloads=True,
        ),
        Setting("keep-minutes", DURATION, "how long to keep minute rollups", default="90d", reloads=True),
        Setting(
            "keep-hours", DURATION, "how long to keep hourly rollups and lives", default="2y", reloads=True
        ),
        Setting(
            "max-size",
            SIZE,
            "limit for the whole record, such as `20GiB`; beyond it the oldest data is deleted first",
            default_text="none",
            reloads=True,
        ),
    ),
    "DURATION is a number with `m`, `h`, `d`, `w` or `y`.",
)
ENROL = Group(
    "hosts without a join token",
    (
        Setting(
            "enrol",
            LINES,
            "admit this host without a join token; the key is 64 hexadecimal digits",
            default=[],
            metavar="HOST_ID:PUBLIC_KEY:NAME",
        ),
    ),
)
SPOOL = Group(
    "spool",
    (
        Setting(
            "spool-size",
            POSITIVE,
            "maximum MiB on disk of blocks that wait for the hub",
            default=512,
            metavar="MIB",
            reloads=True,
        ),
        Setting(
            "spool-age",
            POSITIVE,
            "maximum age in days of blocks that wait for the hub",
            default=7,
            metavar="DAYS",
            reloads=True,
        ),
        Setting(
            "drain-rate",
            POSITIVE,
            "KiB per second at which older blocks are sent when the hub is back",
            default=1024,
            metavar="KIB",
            reloads=True,
        ),
    ),
)
COLLECTING = Group(
    "collecting",
    (
        Setting(
            "source",
            TEXT,
            "`module`, `bpf` or `procfs`",
            default_text="the best that works",
            metavar="NAME",
        ),
        Setting(
            "scrub",
            LINES,
            "hide what matches in command lines, in addition to the built-in patterns for secrets",
            default=[],
            metavar="REGEX",
        ),
        Setting("strip-arguments", SWITCH, "do not record arguments at all", default=False),
    ),
)
CONNECTION = Group(
    "hub",
    (
        Setting("hub", TEXT, "the hub's address", default_text="the hub that was joined", metavar="URL"),
        Setting(
            "order-key",
            ORDER_KEY,
            "the hub's public order key, 64 hexadecimal digits: for a host that the hub admits with "
            "`--enrol`",
        ),
        Setting("pin", FILE, "with `--order-key`: trust only these certificates"),
        Setting(
            "tls-name",
            TEXT,
            "with `--pin`: the name in the hub's certificate",
            metavar="NAME",
        ),
    ),
)
ORDERS = Group(
    "orders",
    (
        POLICY,
        Setting(
            "allow-signals",
            SWITCH,
            "if there is no policy file, allow every order instead of none",
            default=False,
            reloads=True,
        ),
    ),
)
UP_ORDERS = Group(
    "orders",
    (
        POLICY,
        Setting("monitor-only", SWITCH, "never send a signal to a process", default=False, in_file=False),
    ),
)

HUB = Program(
    "hub",
    Path("/etc/tukur/hub.toml"),
    (DATA, DATABASE, LOG, ADDRESS, OIDC, GOOGLE, RETENTION, ENROL),
)
AGENT = Program(
    "agent",
    Path("/etc/tukur/agent.toml"),
    (DATA, LOG, CONNECTION, ORDERS, SPOOL, COLLECTING),
)
PROGRAMS = {program.name: program for program in (HUB, AGENT)}
