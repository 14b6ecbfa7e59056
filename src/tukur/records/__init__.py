"""The shapes that every other package shares: task records, host metrics, snapshots, rates.

Numpy only. Nothing here reads a machine.
"""

from tukur.records.host import CPU_MODES, HOST_METRICS, HostMetric, HostSample, metric_of
from tukur.records.lives import (
    EVENT_VERSION,
    EXEC,
    EXIT,
    GROUP,
    LOST,
    Departed,
    GroupArray,
    Losses,
    merge_groups,
    no_groups,
)
from tukur.records.rates import ROW, HostRates, host_rates, rss_of, task_rows
from tukur.records.task import (
    ENDED,
    KTHREAD,
    RECORD_VERSION,
    TASK,
    THREAD,
    Change,
    Snapshot,
    TaskArray,
    as_words,
    comm_text,
    compare,
    match_previous,
    pick,
    raw,
)

__all__ = [
    "CPU_MODES",
    "ENDED",
    "EVENT_VERSION",
    "EXEC",
    "EXIT",
    "GROUP",
    "HOST_METRICS",
    "KTHREAD",
    "LOST",
    "RECORD_VERSION",
    "ROW",
    "TASK",
    "THREAD",
    "Change",
    "Departed",
    "GroupArray",
    "HostMetric",
    "HostRates",
    "HostSample",
    "Losses",
    "Snapshot",
    "TaskArray",
    "as_words",
    "comm_text",
    "compare",
    "host_rates",
    "match_previous",
    "merge_groups",
    "metric_of",
    "no_groups",
    "pick",
    "raw",
    "rss_of",
    "task_rows",
]
