// SPDX-License-Identifier: GPL-2.0-only
/*
 * tasks.bpf.c - every process of the reader's PID namespace as a tukur_task.
 *
 * One record for each thread group leader, and one with TUKUR_TASK_THREAD for
 * each other thread, which the reader adds to its process: a loop over threads
 * here would need an iterator that kernels before 6.7 lack.
 *
 * Most tasks sleep through most samples. For one that has not run since the last
 * read, only its PID is written, in a record that holds the PIDs of up to
 * IDLE_BATCH such tasks: the reader's last record of it is still valid. At each
 * read a tenth of them, in rotation, is written in full anyway, because others can
 * change a sleeping task: memory reclaimed or swapped out, nice, cgroup.
 * Reading 10,000 sleeping tasks in full touches 300,000 cache lines; this, 90,000.
 *
 * Loads through pointers need no check for NULL or for freed memory: for a
 * pointer with BTF the kernel turns them into loads that yield 0 for an invalid
 * address. They cost a tenth of bpf_probe_read_kernel().
 */
#include "kernel.h"

#include "pids.h"
#include "usage.h"

#include "../include/tukur_record.h"

char LICENSE[] SEC("license") = "GPL";

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

/* tukur_task.flags of a record of PIDs, which holds `threads` PIDs from its first byte on. */
#define TASKS_IDLE (1U << 31)
#define IDLE_BATCH 32
#define REFRESH 10

/* The last full record of a thread, by thread ID; tasks in the same slot evict each other. */
#define SLOTS 65536
static struct {
	__u64 start;
	__u64 activity;
} reported[SLOTS];

static struct tukur_task idle;
static __u32 refresh_slot;

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

static __always_inline void fill_process(struct tukur_task *record, struct task_struct *task)
{
	struct signal_struct *signal = task->signal;

	ADD_EXITED_THREADS(record, signal);
	record->threads = signal->nr_threads;
	record->oom_score_adj = signal->oom_score_adj;
	record->uid = task->real_cred->euid.val;
	record->gid = task->real_cred->egid.val;
	record->cgroup_id = task->cgroups->dfl_cgrp->kn->id;
	record->exec_id = task->self_exec_id;
	record->nice = task->static_prio - DEFAULT_PRIO;
	record->policy = task->policy;
	record->state = state_letter(task);
	/* As a string: before 6.5 the rest of an earlier, longer name remains after the NUL. */
	bpf_probe_read_kernel_str(record->comm, TUKUR_COMM_LEN, task->comm);
	if (task->flags & PF_KTHREAD)
		/* A kernel thread may use the mm of a process, where that memory is already counted. */
		record->flags = TUKUR_TASK_KTHREAD;
	else
		fill_memory(record, task);
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

/*
 * A hash that changes when the task has run or its state or parent has changed.
 * 0: a leader with other threads, whose activity changes its memory and signal_struct. A leader
 * without them can only get some by running, so the two cache lines of signal_struct are not read.
 */
static __always_inline __u64 activity_hash(const struct task_struct *task, bool leader)
{
	__u64 sum = hash_mix(task->se.sum_exec_runtime, task->start_boottime);

	if (leader) {
		if (!is_only_thread(task))
			return 0;
		/* exit_state needs no check: a task has to run to become a zombie. */
		sum = hash_mix(sum, (__u64)task->__state << 32 | task->real_parent->tgid);
	}
	return sum | 1;
}

/* If it does not fit, the kernel calls the program again for the same task at the next read(). */
static __always_inline bool write(struct bpf_iter__task *ctx, const struct tukur_task *record)
{
	return bpf_seq_write(ctx->meta->seq, record, sizeof(*record)) == 0;
}

static __always_inline void flush_idle(struct bpf_iter__task *ctx)
{
	idle.flags = TASKS_IDLE;
	if (idle.threads && write(ctx, &idle))
		idle.threads = 0;
}

static __always_inline void add_idle(struct bpf_iter__task *ctx, __u32 number)
{
	__u32 count = idle.threads;

	if (count >= IDLE_BATCH) {
		flush_idle(ctx);
		count = idle.threads;
		if (count)
			return;
	}
	((__u32 *)&idle)[count & (IDLE_BATCH - 1)] = number;
	idle.threads = count + 1;
}

SEC("iter/task")
int tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct tukur_task record;
	unsigned int level;
	__u32 number, slot;
	__u64 activity;
	bool leader;

	if (!task) {
		flush_idle(ctx);
		return 0;
	}
	if (ctx->meta->seq_num == 0) {
		read_cpu_offsets();
		idle.threads = 0;
		refresh_slot = (refresh_slot + 1) % REFRESH;
	}
	level = bpf_get_current_task_btf()->thread_pid->level;
	number = task->pid;
	if (level)
		number = number_at(pid_address(&task->thread_pid), level).nr;
	slot = (__u32)task->pid & (SLOTS - 1);
	leader = task->pid == task->tgid;
	activity = activity_hash(task, leader);
	if (activity && reported[slot].activity == activity &&
	    reported[slot].start == task->start_boottime &&
	    (__u32)task->pid % REFRESH != refresh_slot) {
		add_idle(ctx, number);
		return 0;
	}
	__builtin_memset(&record, 0, sizeof(record));
	FILL_USAGE(&record, task);
	fill_pids(&record, task, level);
	record.start_ns = task->group_leader->start_boottime;
	if (leader) {
		fill_process(&record, task);
	} else {
		record.flags = TUKUR_TASK_THREAD;
		/* Only for the reader, which looks it up in records of PIDs. */
		record.ns_pid = number;
	}
	if (write(ctx, &record)) {
		reported[slot].activity = activity;
		reported[slot].start = task->start_boottime;
	}
	return 0;
}
