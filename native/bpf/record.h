/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * record.h - fills a tukur_task from a task_struct, for both programs that read
 * all tasks: tasks.bpf.c and walk.bpf.c.
 *
 * Loads through pointers need no check for NULL or for freed memory: for a
 * pointer with BTF the kernel turns them into loads that yield 0 for an invalid
 * address. They cost a tenth of bpf_probe_read_kernel().
 */
#ifndef TUKUR_BPF_RECORD_H
#define TUKUR_BPF_RECORD_H

#include "kernel.h"

#include "pids.h"
#include "usage.h"

#include "../include/tukur_record.h"

#define MAX_EXACT_CPUS 32
/* A CPU's value is at most percpu_counter_batch, 64 with 32 CPUs; a far larger one is not valid. */
#define MAX_CPU_PAGES 1024

/* Set by the reader before the program is loaded. */
const volatile struct {
	__u32 page_shift;
	__u32 exact_cpus; /* CPUs whose part of the memory counters is added; 0: none */
} settings = { 12, 0 };

/* Offsets of the per-CPU data; NULL if kernel addresses are hidden (kptr_restrict). */
extern const void __per_cpu_offset __ksym __weak;

static __u64 cpu_offset[MAX_EXACT_CPUS];

/* As task_state_index(): the highest bit decides. */
static __always_inline __u8 state_letter(const struct task_struct *task)
{
	unsigned int now = task->__state;
	unsigned int state = (now | task->exit_state) & TASK_REPORT;

	if ((now & TASK_IDLE) == TASK_IDLE)
		return 'I';
	if (now & (TASK_RTLOCK_WAIT | TASK_FROZEN))
		return 'D';
	if (state & 0x40)
		return 'P';
	if (state & 0x20)
		return 'Z';
	if (state & 0x10)
		return 'X';
	if (state & 0x08)
		return 't';
	if (state & 0x04)
		return 'T';
	if (state & 0x02)
		return 'D';
	return state & 0x01 ? 'S' : 'R';
}

static __always_inline void fill_pids(struct tukur_task *record, struct task_struct *task,
				      unsigned int reader_level)
{
	unsigned int level = task->signal->pids[PIDTYPE_TGID]->level;
	struct pid_number own, parent;

	if (!reader_level) {
		/* PIDs in the initial namespace are in the task_struct itself. */
		record->pid = task->tgid;
		record->ppid = task->real_parent->tgid;
	} else {
		own = number_at(pid_address(&task->signal->pids[PIDTYPE_TGID]), reader_level);
		parent = number_at(pid_address(&task->real_parent->signal->pids[PIDTYPE_TGID]),
				   reader_level);
		record->pid = own.nr;
		/* A parent outside the reader's namespace has no PID in it. */
		record->ppid = parent.ns == own.ns ? parent.nr : 0;
	}
	record->ns_pid = record->pid;
	if (level != reader_level)
		record->ns_pid =
			number_at(pid_address(&task->signal->pids[PIDTYPE_TGID]), level).nr;
}

/* Adds the per-CPU parts of the counters, as percpu_counter_sum() does. */
static __always_inline void add_per_cpu(__s64 *pages, struct mm_struct___percpu *mm)
{
	char *first = (char *)mm->rss_stat[0].counters;
	__s32 cpu_pages[NR_MM_COUNTERS];

	/* One allocation since 6.6: a single read per CPU returns all four. */
	if (!first || (char *)mm->rss_stat[3].counters != first + 3 * sizeof(__s32))
		return;
	for (__u32 cpu = 0; cpu < MAX_EXACT_CPUS; cpu++) {
		if (cpu >= settings.exact_cpus)
			break;
		if (!cpu_offset[cpu] ||
		    bpf_probe_read_kernel(cpu_pages, sizeof(cpu_pages), first + cpu_offset[cpu]))
			continue;
		for (int i = 0; i < NR_MM_COUNTERS; i++)
			if (cpu_pages[i] > -MAX_CPU_PAGES && cpu_pages[i] < MAX_CPU_PAGES)
				pages[i] += cpu_pages[i];
	}
}

static __always_inline __u64 bytes(__s64 pages)
{
	/* Can be negative for a moment: one CPU has subtracted what another has not added yet. */
	return pages > 0 ? (__u64)pages << settings.page_shift : 0;
}

static __always_inline void fill_memory(struct tukur_task *record, struct task_struct *task)
{
	struct mm_struct *mm = task->mm;
	__s64 pages[NR_MM_COUNTERS] = {};
	__u64 total;

	if (!mm)
		return;
	total = mm->total_vm;
	if (core_field_exists(((struct mm_struct___atomic *)0)->rss_stat.count)) {
		struct mm_struct___atomic *old = (void *)mm;

		/* Read as bytes: before 6.2 the verifier cannot walk into an array of a typedef. */
		bpf_probe_read_kernel(pages, sizeof(pages), old->rss_stat.count);
	} else {
		struct mm_struct___percpu *new = (void *)mm;

		/* No loop: CO-RE relocates the element size only for constant indexes. */
		pages[0] = new->rss_stat[0].count;
		pages[1] = new->rss_stat[1].count;
		pages[2] = new->rss_stat[2].count;
		pages[3] = new->rss_stat[3].count;
		if (settings.exact_cpus)
			add_per_cpu(pages, new);
	}
	/* It has exited or called exec meanwhile: the values may be of another process. */
	if (task->mm != mm)
		return;
	record->vsz = total << settings.page_shift;
	record->rss_file = bytes(pages[MM_FILEPAGES]);
	record->rss_anon = bytes(pages[MM_ANONPAGES]);
	record->rss_shmem = bytes(pages[MM_SHMEMPAGES]);
	record->swap = bytes(pages[MM_SWAPENTS]);
}

/* What can change while the process sleeps: others do it. */
static __always_inline void fill_changeable(struct tukur_task *record, struct task_struct *task)
{
	record->oom_score_adj = task->signal->oom_score_adj;
	record->cgroup_id = task->cgroups->dfl_cgrp->kn->id;
	record->nice = task->static_prio - DEFAULT_PRIO;
	record->policy = task->policy;
	if (task->flags & PF_KTHREAD)
		/* A kernel thread may use the mm of a process, where that memory is already counted. */
		record->flags |= TUKUR_TASK_KTHREAD;
	else
		fill_memory(record, task);
}

/*
 * What a process is. `task`: its leader, or the first of its threads that lives once the leader
 * has ended, which has neither memory nor a state of interest then. The name stays the leader's.
 */
static __always_inline void fill_process(struct tukur_task *record, struct task_struct *task)
{
	const struct task_struct *leader = task->group_leader;

	record->start_ns = leader->start_boottime;
	/* The kernel counts the leader for as long as the process is there. */
	record->threads = task->signal->nr_threads - (task->pid != task->tgid);
	record->uid = task->real_cred->euid.val;
	record->gid = task->real_cred->egid.val;
	record->exec_id = task->self_exec_id;
	record->state = state_letter(task);
	/* As a string: before 6.5 the rest of an earlier, longer name remains after the NUL. */
	bpf_probe_read_kernel_str(record->comm, TUKUR_COMM_LEN, leader->comm);
	fill_changeable(record, task);
}

static __always_inline void read_cpu_offsets(void)
{
	const char *table = (const char *)&__per_cpu_offset;

	if (!table)
		return;
	for (__u32 cpu = 0; cpu < MAX_EXACT_CPUS; cpu++) {
		if (cpu >= settings.exact_cpus)
			break;
		bpf_probe_read_kernel(&cpu_offset[cpu], sizeof(__u64), table + cpu * sizeof(__u64));
	}
}

static __always_inline __u64 hash_mix(__u64 sum, __u64 value)
{
	return (sum ^ value) * 0x9e3779b97f4a7c15ULL;
}

/* Whether the task is the only thread of its process: the list is then its head and the task. */
static __always_inline bool is_only_thread(const struct task_struct *task)
{
	return task->thread_node.next == task->thread_node.prev;
}

/* Whether the leader, one of several threads, has ended: its memory goes before its state. */
static __always_inline bool has_ended(const struct task_struct *leader)
{
	return !leader->mm && !(leader->flags & PF_KTHREAD);
}

/* Each reading one part of the sleeping tasks out of so many is read again all the same. */
#define REFRESH 10

#endif /* TUKUR_BPF_RECORD_H */
