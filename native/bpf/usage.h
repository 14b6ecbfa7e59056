/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * usage.h - copies a task's usage into any record with the field names of tukur_task.
 */
#ifndef TUKUR_BPF_USAGE_H
#define TUKUR_BPF_USAGE_H

/* Usage of one thread; utime and stime as ticks charged them, to be scaled to cpu_ns. */
#define FILL_USAGE(record, task)                                  \
	do {                                                      \
		(record)->cpu_ns = (task)->se.sum_exec_runtime;   \
		(record)->utime_ns = (task)->utime;               \
		(record)->stime_ns = (task)->stime;               \
		(record)->minflt = (task)->min_flt;               \
		(record)->majflt = (task)->maj_flt;               \
		(record)->read_bytes = (task)->ioac.read_bytes;   \
		(record)->write_bytes = (task)->ioac.write_bytes; \
		(record)->nvcsw = (task)->nvcsw;                  \
		(record)->nivcsw = (task)->nivcsw;                \
	} while (0)

/* Adds that of one more thread. */
#define ADD_USAGE(record, task)                                    \
	do {                                                       \
		(record)->cpu_ns += (task)->se.sum_exec_runtime;   \
		(record)->utime_ns += (task)->utime;               \
		(record)->stime_ns += (task)->stime;               \
		(record)->minflt += (task)->min_flt;               \
		(record)->majflt += (task)->maj_flt;               \
		(record)->read_bytes += (task)->ioac.read_bytes;   \
		(record)->write_bytes += (task)->ioac.write_bytes; \
		(record)->nvcsw += (task)->nvcsw;                  \
		(record)->nivcsw += (task)->nivcsw;                \
	} while (0)

/* Usage of the exited threads of its process. */
#define ADD_EXITED_THREADS(record, signal)                           \
	do {                                                         \
		(record)->cpu_ns += (signal)->sum_sched_runtime;     \
		(record)->utime_ns += (signal)->utime;               \
		(record)->stime_ns += (signal)->stime;               \
		(record)->minflt += (signal)->min_flt;               \
		(record)->majflt += (signal)->maj_flt;               \
		(record)->read_bytes += (signal)->ioac.read_bytes;   \
		(record)->write_bytes += (signal)->ioac.write_bytes; \
		(record)->nvcsw += (signal)->nvcsw;                  \
		(record)->nivcsw += (signal)->nivcsw;                \
	} while (0)

#endif /* TUKUR_BPF_USAGE_H */
