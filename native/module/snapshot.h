/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All processes at one instant, in memory, for a file that is
 * printed piece by piece. All snapshots of a module together are bounded.
 */
#ifndef TUKUR_SNAPSHOT_H
#define TUKUR_SNAPSHOT_H

#include <linux/atomic.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "walk.h"

#define TUKUR_SNAPSHOT_LEAST 256

/* Bytes that the snapshots of this module hold, and how many they may. */
struct tukur_budget {
	atomic_long_t used;
	unsigned long most;
};

struct tukur_snapshot {
	struct tukur_budget *budget;
	struct tukur_task *tasks;	/* ascending by pid */
	u32 count;
	u32 room;
};

/* NULL with *err: EAGAIN when others hold the memory, ENOMEM when it would never be enough. */
static inline void *tukur_alloc(struct tukur_budget *budget, size_t bytes, int *err)
{
	void *memory;

	*err = -ENOMEM;
	if (bytes > budget->most)
		return NULL;
	if (atomic_long_add_return(bytes, &budget->used) > budget->most) {
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

static inline void tukur_snapshot_free(struct tukur_snapshot *shot)
{
	tukur_free(shot->budget, shot->tasks, shot->room * sizeof(*shot->tasks));
	shot->tasks = NULL;
}

static inline int tukur_snapshot_grow(struct tukur_snapshot *shot)
{
	u32 room = shot->room ? shot->room * 2 : TUKUR_SNAPSHOT_LEAST;
	struct tukur_task *tasks;
	int err;

	tasks = tukur_alloc(shot->budget, room * sizeof(*tasks), &err);
	if (!tasks)
		return err;
	if (shot->tasks)
		memcpy(tasks, shot->tasks, shot->count * sizeof(*tasks));
	tukur_snapshot_free(shot);
	shot->tasks = tasks;
	shot->room = room;
	return 0;
}

static inline int tukur_snapshot_take(struct tukur_snapshot *shot, struct tukur_walk *walk)
{
	int err = 0;

	walk->next = 1;
	while (!walk->done && !err) {
		if (shot->count == shot->room)
			err = tukur_snapshot_grow(shot);
		if (!err)
			shot->count += tukur_walk(walk, shot->tasks + shot->count,
						  shot->room - shot->count);
		if (fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	}
	if (err)
		tukur_snapshot_free(shot);
	return err;
}

#endif /* TUKUR_SNAPSHOT_H */
