-- What Grafana may read: minutes of hosts and of processes, without command lines, accounts, keys and audit log.
-- Run as the server's administrator; run again it brings the views up to date. The hub's database is `tukur`.
CREATE DATABASE IF NOT EXISTS tukur_grafana;

CREATE OR REPLACE SQL SECURITY DEFINER VIEW tukur_grafana.hosts AS
SELECT id, name FROM tukur.host;

-- Means of each minute. CPU and pressure are shares of the whole machine, 0 to 1; memory is in bytes; disk and
-- network are in bytes a second.
CREATE OR REPLACE SQL SECURITY DEFINER VIEW tukur_grafana.host_minutes AS
SELECT
    h.name AS host,
    m.minute_ms,
    m.cpu_total / m.samples AS cpu,
    m.cpu_high AS cpu_highest_second,
    m.mem_used_total / m.samples AS memory_used,
    m.mem_total_total / m.samples AS memory_total,
    m.swap_used_total / m.samples AS swap_used,
    m.load1_total / m.samples AS load1,
    m.psi_cpu_total / m.samples AS pressure_cpu,
    m.psi_memory_total / m.samples AS pressure_memory,
    m.psi_io_total / m.samples AS pressure_io,
    m.disk_read_total / m.samples AS disk_read,
    m.disk_write_total / m.samples AS disk_write,
    m.net_rx_total / m.samples AS network_received,
    m.net_tx_total / m.samples AS network_sent,
    m.processes_total / m.samples AS processes
FROM tukur.host_minute m
JOIN tukur.host h ON h.id = m.host;

-- What each process that was active did in a minute; a process is one life of a PID.
CREATE OR REPLACE SQL SECURITY DEFINER VIEW tukur_grafana.process_minutes AS
SELECT
    h.name AS host,
    m.minute_ms,
    m.pid,
    (
        SELECT c.name FROM tukur.image i JOIN tukur.command c ON c.id = i.command
        WHERE i.boot = m.boot AND i.start_ns = m.start_ns AND i.pid = m.pid ORDER BY i.since_ns DESC LIMIT 1
    ) AS name,
    m.cpu_ns / 1e9 AS cpu_seconds,
    NULLIF(m.rss_peak, -1) AS memory_peak,
    m.read_bytes,
    m.write_bytes
FROM tukur.process_minute m
JOIN tukur.boot b ON b.id = m.boot
JOIN tukur.host h ON h.id = b.host;
