"""The shapes that every other package shares: task records, host metrics, snapshots, rates.

Numpy only. Nothing here reads a machine.
"""

from tukur.records.host import CPU_MODES, HOST_METRICS, HostMetric, HostSample, metric_of
from tukur.records.rates import ROW, HostRates, host_rates, rss_of, task_rows
from tukur.records.task import (
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
    "HOST_METRICS",
    "KTHREAD",
    "RECORD_VERSION",
    "ROW",
    "TASK",
    "THREAD",
    "Change",
    "HostMetric",
    "HostRates",
    "HostSample",
    "Snapshot",
    "TaskArray",
    "as_words",
    "comm_text",
    "compare",
    "host_rates",
    "match_previous",
    "metric_of",
    "pick",
    "raw",
    "rss_of",
    "task_rows",
]
