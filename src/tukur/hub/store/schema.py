"""The tables. Every type is one that SQLite, MariaDB and MySQL share; a change needs a migration."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    false,
)

from tukur.hub.store.types import BLOB, DIGEST, HASH, LONG_TEXT, SIGNATURE

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_UUID = String(36)
_KEYED: dict[str, Any] = {"sqlite_with_rowid": False}
"""Of small rows that are found by their whole key: SQLite then keeps no second copy of it."""

UNKNOWN_PEAK = -1
"""In rollups, in place of NULL: the highest of several is then that of those that are known."""

FIGURES = (
    *("cpu", "cpu_user", "cpu_system", "cpu_iowait", "cpu_steal"),
    *("mem_total", "mem_used", "mem_available", "mem_cached", "mem_free", "swap_total", "swap_used"),
    *("load1", "load5", "load15", "psi_cpu", "psi_memory", "psi_io"),
    *("disk_read", "disk_write", "net_rx", "net_tx", "uptime_s", "processes"),
    "mem_arc",
)
"""What is kept of a host for each minute and hour; one more needs a migration."""


def _figure_columns() -> list[Column[Any]]:
    return [
        Column(f"{figure}_{part}", Double, nullable=True)
        for figure in FIGURES
        for part in ("low", "high", "total")
    ]


host = Table(
    "host",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("host_id", _UUID, nullable=False, unique=True),
    Column("public_key", HASH, nullable=False),
    Column("name", String(255), nullable=False),
    Column("facts", LONG_TEXT, nullable=True),
    Column("created_ms", BigInteger, nullable=False),
    Column("seen_ms", BigInteger, nullable=True),
    Column("revoked_ms", BigInteger, nullable=True),
    Column("only_boot", _UUID, nullable=True),
    Column("group_names", String(1000), nullable=False, server_default=""),
    Column("needs_approval", Boolean, nullable=False, server_default=false()),
)
"""A monitored machine. facts: ``messages.HostFacts`` as JSON, of the newest connection. revoked_ms: since
when its key opens nothing. only_boot: the one boot let in, since two machines had its key; NULL: any.
group_names: with spaces between them. needs_approval: an order to it waits for a second person."""

held = Table(
    "held",
    metadata,
    Column("host", Integer, ForeignKey(host.c.id), primary_key=True),
    Column("boot_id", _UUID, primary_key=True),
    Column("hostname", String(255), nullable=False),
    Column("address", String(64), nullable=False),
    Column("first_ms", BigInteger, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
)
"""Who came with a host's key while another machine used it, and was not let in."""

instance = Table(
    "instance",
    metadata,
    Column("host", Integer, ForeignKey(host.c.id), primary_key=True, autoincrement=False),
    Column("instance_id", String(20), nullable=False, unique=True),
    Column("instance_name", String(63), nullable=False),
    Column("instance_group", String(255), nullable=False),
    Column("zone", String(63), nullable=False),
    Column("state", String(16), nullable=False, server_default=""),
    Column("reason", String(32), nullable=False, server_default=""),
    Column("asked_ms", BigInteger, nullable=False, server_default="0"),
)
"""The virtual machine of Compute Engine that a host is. instance_id: Google's, never used again, so that a
machine joins once. state, reason: what its group said of it when it was silent, asked at asked_ms
(``hub.cloud.lifecycle``); empty: the group was never asked."""

join_token = Table(
    "join_token",
    metadata,
    Column("hash", HASH, primary_key=True),
    Column("label", String(100), nullable=False, unique=True),
    Column("uses", Integer, nullable=False),
    Column("uses_left", Integer, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
)

boot = Table(
    "boot",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("host", Integer, ForeignKey(host.c.id), nullable=False),
    Column("boot_id", _UUID, nullable=False),
    Column("booted_ms", BigInteger, nullable=False),
    Column("merged_ns", BigInteger, nullable=False, server_default="-1"),
    Index("ix_boot_host_boot_id", "host", "boot_id", unique=True),
)
"""One boot of a host: with it, (start_ns, pid) names one process life. merged_ns: blocks that begin up to
there have been merged into longer ones."""

block = Table(
    "block",
    metadata,
    Column("boot", Integer, ForeignKey(boot.c.id), primary_key=True),
    Column("first_ns", BigInteger, primary_key=True),
    Column("last_ns", BigInteger, nullable=False),
    Column("host", Integer, ForeignKey(host.c.id), nullable=False),
    Column("first_ms", BigInteger, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
    Column("samples", SmallInteger, nullable=False),
    Column("lives", Integer, nullable=False),
    Column("missed", Integer, nullable=False),
    Column("host_columns", BLOB, nullable=False),
    Column("tasks", BLOB, nullable=False),
    Column("lost_execs", BigInteger, nullable=False, server_default="0"),
    Column("lost_lives", BigInteger, nullable=False, server_default="0"),
    Column("lost_cpu_ns", BigInteger, nullable=False, server_default="0"),
    Column("lost_finals", BigInteger, nullable=False, server_default="0"),
    # The block of a wall-clock instant, in one step down the index however long the history is.
    Index("ix_block_host_last_ms", "host", "last_ms"),
)
"""One-second history: ``tukur.blocks``."""

process = Table(
    "process",
    metadata,
    Column("boot", Integer, ForeignKey(boot.c.id), primary_key=True),
    Column("start_ns", BigInteger, primary_key=True),
    Column("pid", Integer, primary_key=True),
    Column("ppid", Integer, nullable=False),
    Column("kthread", Boolean, nullable=False),
    Column("first_ms", BigInteger, nullable=False),
    Column("last_ms", BigInteger, nullable=True),
    Column("ended", Boolean, nullable=False),
    Column("cpu_ns", BigInteger, nullable=True),
    Column("rss_peak", BigInteger, nullable=True),
    Column("read_bytes", BigInteger, nullable=True),
    Column("write_bytes", BigInteger, nullable=True),
    Column("exact", Boolean, nullable=False, server_default=false()),
    Column("exit_code", SmallInteger, nullable=True),
    Column("exit_signal", SmallInteger, nullable=True),
    Column("cause", String(16), nullable=False, server_default=""),
    Column("run_ns", BigInteger, nullable=False, server_default="0"),
    Column("gone_ns", BigInteger, nullable=False, server_default="0"),
    # Who ended within a range, in one step down the index.
    Index("ix_process_boot_last_ms", "boot", "last_ms"),
    **_KEYED,
)
"""One process life. last_ms and the totals are known when it has ended; see ``messages.Ended``. run_ns: the
newest run of the agent that found it living; gone_ns: the one that found it gone, where no end was told.
Totals that are not ``exact`` are lower bounds; NULL: unknown."""

command = Table(
    "command",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("hash", DIGEST, nullable=False, unique=True),
    Column("used_ms", BigInteger, nullable=False),
    Column("name", String(255), nullable=False),
    Column("uid", BigInteger, nullable=False),
    Column("user", String(255), nullable=False),
    Column("exe", LONG_TEXT, nullable=False),
    Column("cmdline", LONG_TEXT, nullable=False),
    Column("cgroup", LONG_TEXT, nullable=False),
    Column("unit", String(255), nullable=False),
    Column("container", String(255), nullable=False),
    Column("pod", String(255), nullable=False),
    Column("slice", String(255), nullable=False),
    Index("ix_command_user", "user"),
    Index("ix_command_unit", "unit"),
    Index("ix_command_used_ms", "used_ms"),
)
"""What lives run, each once however many lives run it; hash: of all the texts. used_ms: when an image was
last made of it, to the day."""

command_word = Table(
    "command_word",
    metadata,
    Column("word", String(32), primary_key=True),
    Column("command", Integer, ForeignKey(command.c.id), primary_key=True),
    Index("ix_command_word_command", "command"),
    **_KEYED,
)
"""The words of names, paths and command lines, in lower case: what a search begins with."""

image = Table(
    "image",
    metadata,
    Column("boot", Integer, ForeignKey(boot.c.id), primary_key=True),
    Column("start_ns", BigInteger, primary_key=True),
    Column("pid", Integer, primary_key=True),
    Column("since_ns", BigInteger, primary_key=True),
    Column("since_ms", BigInteger, nullable=False),
    Column("command", Integer, ForeignKey(command.c.id), nullable=False),
    # The newest of a command, and of a boot, in one step down the index.
    Index("ix_image_command_since_ms", "command", "since_ms"),
    Index("ix_image_boot_since_ms", "boot", "since_ms"),
)
"""What a life ran, from since_ns on: exec makes a new row."""

gap = Table(
    "gap",
    metadata,
    Column("boot", Integer, ForeignKey(boot.c.id), primary_key=True),
    Column("first_ns", BigInteger, primary_key=True),
    Column("last_ns", BigInteger, nullable=False),
    Column("first_ms", BigInteger, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
    Column("blocks", BigInteger, nullable=False),
    Column("samples", BigInteger, nullable=False),
    Column("reason", String(32), nullable=False),
    Index("ix_gap_boot_last_ms", "boot", "last_ms"),
)
"""What an agent took and gave up before it came here; see ``messages.Gap``."""

run = Table(
    "run",
    metadata,
    Column("boot", Integer, ForeignKey(boot.c.id), primary_key=True),
    Column("first_ns", BigInteger, primary_key=True),
    Column("first_ms", BigInteger, nullable=False),
)
"""The first sample of each run of the agent."""

host_minute = Table(
    "host_minute",
    metadata,
    Column("host", Integer, ForeignKey(host.c.id), primary_key=True),
    Column("minute_ms", BigInteger, primary_key=True),
    Column("samples", Integer, nullable=False),
    *_figure_columns(),
)
"""The host's figures by minute: the lowest and the highest second of each, and all added up; cpu_total /
samples is the mean. NULL: the agent does not tell it."""

process_minute = Table(
    "process_minute",
    metadata,
    Column("boot", Integer, ForeignKey(boot.c.id), primary_key=True),
    Column("minute_ms", BigInteger, primary_key=True),
    Column("start_ns", BigInteger, primary_key=True),
    Column("pid", Integer, primary_key=True),
    Column("cpu_ns", BigInteger, nullable=False),
    Column("rss_peak", BigInteger, nullable=False),
    Column("read_bytes", BigInteger, nullable=False),
    Column("write_bytes", BigInteger, nullable=False),
    **_KEYED,
)
"""What each active process did in a minute. rss_peak, here and in the next two tables: ``UNKNOWN_PEAK`` where
no sample saw it and the kernel does not tell."""

host_hour = Table(
    "host_hour",
    metadata,
    Column("host", Integer, ForeignKey(host.c.id), primary_key=True),
    Column("hour_ms", BigInteger, primary_key=True),
    Column("samples", Integer, nullable=False),
    *_figure_columns(),
)
"""The minutes of each hour, added up."""


def _device_columns() -> list[Column[Any]]:
    return [
        Column("device", String(100), primary_key=True),
        Column("samples", Integer, nullable=False),
        Column("read_total", Double, nullable=False),
        Column("read_high", Double, nullable=False),
        Column("write_total", Double, nullable=False),
        Column("write_high", Double, nullable=False),
        Column("busy_total", Double, nullable=True),
        Column("busy_high", Double, nullable=True),
    ]


device_minute = Table(
    "device_minute",
    metadata,
    Column("host", Integer, ForeignKey(host.c.id), primary_key=True),
    Column("minute_ms", BigInteger, primary_key=True),
    *_device_columns(),
    **_KEYED,
)
"""What each disk and interface did in a minute. device: ``disk.sda`` or ``net.eth0``. read, write: bytes a
second (of an interface received and sent), added up over the samples that knew them; busy: the share of the
time in which a disk had something to do, NULL of an interface."""

device_hour = Table(
    "device_hour",
    metadata,
    Column("host", Integer, ForeignKey(host.c.id), primary_key=True),
    Column("hour_ms", BigInteger, primary_key=True),
    *_device_columns(),
    **_KEYED,
)

process_hour = Table(
    "process_hour",
    metadata,
    Column("boot", Integer, ForeignKey(boot.c.id), primary_key=True),
    Column("hour_ms", BigInteger, primary_key=True),
    Column("start_ns", BigInteger, primary_key=True),
    Column("pid", Integer, primary_key=True),
    Column("cpu_ns", BigInteger, nullable=False),
    Column("rss_peak", BigInteger, nullable=False),
    Column("read_bytes", BigInteger, nullable=False),
    Column("write_bytes", BigInteger, nullable=False),
    **_KEYED,
)

recorded_hour = Table(
    "recorded_hour",
    metadata,
    Column("host", Integer, ForeignKey(host.c.id), primary_key=True),
    Column("hour_ms", BigInteger, primary_key=True),
    Column("stale", Boolean, nullable=False),
    Index("ix_recorded_hour_stale_hour_ms", "stale", "hour_ms"),
)
"""Which hours a host has minutes of; stale: they changed since they were added up."""

life_group = Table(
    "life_group",
    metadata,
    Column("boot", Integer, ForeignKey(boot.c.id), primary_key=True),
    Column("at_ms", BigInteger, primary_key=True),
    Column("parent_start_ns", BigInteger, primary_key=True),
    Column("ppid", Integer, primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("uid", BigInteger, primary_key=True),
    Column("lives", BigInteger, nullable=False),
    Column("cpu_ns", BigInteger, nullable=False),
    Column("rss_peak", BigInteger, nullable=False),
    Column("read_bytes", BigInteger, nullable=False),
    Column("write_bytes", BigInteger, nullable=False),
    **_KEYED,
)
"""Short lives that were too many for a row each, by parent and name, of ten seconds from
at_ms on; lives 0: how many is not known."""

oom_kill = Table(
    "oom_kill",
    metadata,
    Column("boot", Integer, ForeignKey(boot.c.id), primary_key=True),
    Column("at_ns", BigInteger, primary_key=True),
    Column("pid", Integer, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("start_ns", BigInteger, nullable=False),
    Column("name", String(255), nullable=False),
    Column("uid", BigInteger, nullable=False),
    Column("constraint", String(32), nullable=False),
    Column("memcg", LONG_TEXT, nullable=False),
    Column("task_memcg", LONG_TEXT, nullable=False),
    Column("trigger", String(255), nullable=False),
    Column("rss", BigInteger, nullable=False),
    Column("text", LONG_TEXT, nullable=False),
    Index("ix_oom_kill_boot_at_ms", "boot", "at_ms"),
)
"""Processes killed by the OOM killer, and why."""

user = Table(
    "user",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("name", String(100), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("grants", String(2000), nullable=False, server_default=""),
    Column("disabled", Boolean, nullable=False, server_default=false()),
    Column("password", String(255), nullable=True),
    Column("totp", String(255), nullable=True),
    Column("totp_step", BigInteger, nullable=True),
    Column("subject", HASH, nullable=True),
    Index("ix_user_subject", "subject", unique=True),
)
"""role: on all hosts. grants: on groups of hosts, ``group=role`` with spaces between them. password: an
Argon2 hash. totp: the secret, encrypted; totp_step: the period of the code used last, null: none was yet.
subject: hash of the OpenID provider and of whom it vouches for."""

recovery_code = Table(
    "recovery_code",
    metadata,
    Column("user_id", Integer, ForeignKey(user.c.id), nullable=False, primary_key=True, autoincrement=False),
    Column("hash", HASH, primary_key=True),
    **_KEYED,
)
"""In place of a code of the second factor; a used one is deleted with its use."""

session = Table(
    "session",
    metadata,
    Column("hash", HASH, primary_key=True),
    Column("user_id", Integer, ForeignKey(user.c.id), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("used_ms", BigInteger, nullable=False, server_default="0"),
    Column("via", String(16), nullable=False, server_default="link"),
    Column("address", String(64), nullable=False, server_default=""),
    Column("browser", String(100), nullable=False, server_default=""),
)
"""via: what it began with: link, password or provider. used_ms: last use, to the minute."""

sign_in_link = Table(
    "sign_in_link",
    metadata,
    Column("hash", HASH, primary_key=True),
    Column("user_id", Integer, ForeignKey(user.c.id), nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
)
"""A used link is deleted with its use."""

token = Table(
    "token",
    metadata,
    Column("hash", HASH, primary_key=True),
    Column("name", String(100), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("grants", String(2000), nullable=False, server_default=""),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("actor", String(255), nullable=False),
    Column("origin", String(255), nullable=False),
    Column("action", String(64), nullable=False),
    Column("target", String(255), nullable=False),
    Column("result", String(255), nullable=False),
    Column("detail", LONG_TEXT, nullable=False),
    Column("hash", HASH, nullable=False),
    Column("signature", SIGNATURE, nullable=False),
    Index("ix_audit_at_ms", "at_ms"),
    Index("ix_audit_actor", "actor"),
    Index("ix_audit_target", "target"),
)
"""Who did what: ``hub.audit``. Rows are never changed."""

audit_head = Table(
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("hash", HASH, nullable=False),
)
"""One row: the newest entry. Whoever adds one holds it."""

orders = Table(
    "orders",
    metadata,
    Column("order_id", _UUID, primary_key=True),
    Column("host_id", _UUID, nullable=False),
    Column("boot_id", _UUID, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("start_ns", BigInteger, nullable=False),
    Column("name", String(255), nullable=False),
    Column("signal", String(16), nullable=False),
    Column("actor", String(255), nullable=False),
    Column("reason", String(500), nullable=False),
    Column("issued_ms", BigInteger, nullable=False, index=True),
    Column("final", Boolean, nullable=False),
    Column("outcome", String(32), nullable=False),
    Column("code", String(64), nullable=False),
    Column("detail", LONG_TEXT, nullable=False),
    Column("after_ms", Double, nullable=True),
    Column("exit_code", Integer, nullable=True),
    Column("exit_signal", Integer, nullable=True),
    Column("respawned_pid", Integer, nullable=True),
    Column("approver", String(255), nullable=False, server_default=""),
    Column("verb", String(16), nullable=False, server_default="signal"),
    Column("scope", String(16), nullable=False, server_default="process"),
    Column("value", String(32), nullable=False, server_default=""),
    Column("set_of", String(1000), nullable=False, server_default=""),
    Column("respawned_unit", String(255), nullable=False, server_default=""),
    Column("freed", BigInteger, nullable=True),
    Column("members", LONG_TEXT, nullable=True),
    Column("more", Integer, nullable=False, server_default="0"),
    Column("state", String(16), nullable=False, server_default="final"),
    Column("sent_ms", BigInteger, nullable=True),
    Column("deadline_ms", BigInteger, nullable=True, index=True),
)
