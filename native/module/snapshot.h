/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All processes at one instant, kept in memory for a file that is printed in
 * several reads. The total size of the snapshots of a module is limited.
 */
#ifndef TUKUR_SNAPSHOT_H
#define TUKUR_SNAPSHOT_H

#include <linux/atomic.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "walk.h"

#define TUKUR_SNAPSHOT_MIN 256

/* Bytes allocated by all snapshots of this module, and their limit. */
struct tukur_budget {
	atomic_long_t used;
	unsigned long max;
};

struct tukur_snapshot {
	struct tukur_budget *budget;
	struct tukur_task *tasks; /* ascending by pid */
	u32 count;
	u32 capacity;
};

/* NULL with *err: EAGAIN if other snapshots use the memory, ENOMEM if the limit is too low. */
static inline void *tukur_alloc(struct tukur_budget *budget, size_t bytes, int *err)
{
	void *memory;

	*err = -ENOMEM;
	if (bytes > budget->max)
		return NULL;
	if (atomic_long_add_return(bytes, &budget->used) > budget->max) {
		*err = -EAGAIN;
		goto uncharge;
	}
	memory = kvmalloc(bytes, GFP_KERNEL_ACCOUNT);
	if (memory)
		return memory;
uncharge:
	atomic_long_sub(bytes, &budget->used);
	return NULL;
}

static inline void tukur_free(struct tukur_budget *budget, void *memory, size_t bytes)
{
	if (!memory)
		return;
	kvfree(memory);
	atomic_long_sub(bytes, &budget->used);
}

static inline void tukur_snapshot_free(struct tukur_snapshot *snapshot)
{
	tukur_free(snapshot->budget, snapshot->tasks,
		   snapshot->capacity * sizeof(*snapshot->tasks));
	snapshot->tasks = NULL;
}

static inline int tukur_snapshot_grow(struct tukur_snapshot *snapshot)
{
	u32 capacity = snapshot->capacity ? snapshot->capacity * 2 : TUKUR_SNAPSHOT_MIN;
	struct tukur_task *tasks;
	int err;

	tasks = tukur_alloc(snapshot->budget, capacity * sizeof(*tasks), &err);
	if (!tasks)
		return err;
	if (snapshot->tasks)
		memcpy(tasks, snapshot->tasks, snapshot->count * sizeof(*tasks));
	tukur_snapshot_free(snapshot);
	snapshot->tasks = tasks;
	snapshot->capacity = capacity;
	return 0;
}

static inline int tukur_snapshot_take(struct tukur_snapshot *snapshot, struct tukur_walk *walk)
{
	int err = 0;

	walk->next = 1;
	while (!walk->done && !err) {
		if (snapshot->count == snapshot->capacity)
			err = tukur_snapshot_grow(snapshot);
		if (!err)
			snapshot->count += tukur_walk(walk, snapshot->tasks + snapshot->count,
						      snapshot->capacity - snapshot->count);
		if (fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	}
	if (err)
		tukur_snapshot_free(snapshot);
	return err;
}

#endif /* TUKUR_SNAPSHOT_H */
