/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by the three parts of /proc/tukur_events: the file (events.c), the
 * probes (events_probes.c) and the ring between them (events_ring.c).
 *
 * Everything below exists only while the file is open: events_ring.c and
 * events_probes.c allocate their buffers at open and free them at release.
 */
#ifndef TUKUR_EVENTS_H
#define TUKUR_EVENTS_H

#include <linux/types.h>

#include "tukur_record.h"

/* The buffer of a read() and how much of it is filled. */
struct tukur_sink {
	char __user *to;
	size_t capacity;
	ssize_t done;
};

/* 1: copied, 0: does not fit, negative: an error. */
int tukur_copy_out(struct tukur_sink *sink, const void *from, size_t size);

/* -ENOMEM if there is not enough memory. Called before the probes are registered. */
int tukur_ring_alloc(void);
/* Called after the last probe has returned. */
void tukur_ring_free(void);

/*
 * The writers' side, called by the probes in any context. A death that does not fit
 * into the ring is added to a group, and what does not fit at all is counted.
 */
void tukur_emit_exit(const struct tukur_exit *event, u64 parent_start_ns);
void tukur_emit_free(const struct tukur_exit *event);
/* @maxrss: signal->maxrss, pages. */
void tukur_emit_exec(const struct tukur_exec *event, unsigned long maxrss);
void tukur_emit_cgroup(const struct tukur_cgroup *event);

/* The maxrss that was passed at the last exec of this life; ULONG_MAX: not known. */
unsigned long tukur_maxrss_at_exec(const struct tukur_exit *event);

/*
 * The reader's side, for one reader at a time: the events, then the groups and the
 * counts of what was lost. 1: everything was read, 0: the next event does not
 * fit into the sink, negative: an error.
 */
int tukur_ring_read(struct tukur_sink *sink);

/* Registers the probes, or none of them if there is an error. */
int tukur_probes_add(void);
/* Unregisters the probes and waits until none of them runs on any CPU. */
void tukur_probes_remove(void);

#endif /* TUKUR_EVENTS_H */
