// SPDX-License-Identifier: GPL-2.0-only
/*
 * tasks.bpf.c - every process of the reader's PID namespace as a tukur_task.
 *
 * One record for each thread group leader, and one with TUKUR_TASK_THREAD for
 * each other thread, which the reader adds to its process: a loop over threads
 * in here would need an iterator that kernels before 6.7 lack.
 *
 * Most tasks sleep through most samples. One that has not run since the last
 * reading costs its number alone, in a record that holds the numbers of
 * IDLE_BATCH such tasks; what the reader knows of it still holds. A tenth of
 * them is written whole all the same at each reading, in turn, for what others
 * can change while it sleeps: memory taken back or swapped out, nice, cgroup.
 * Reading all of 10,000 sleepers means 300,000 cache lines; this way 90,000.
 *
 * The loads through pointers need no check for NULL or for freed memory: on a
 * pointer with BTF the kernel makes of them loads that give 0 where the
 * address is bad. They cost a tenth of bpf_probe_read_kernel().
 */
#include "kernel.h"

#include "pids.h"
#include "usage.h"

#include "../include/tukur_record.h"

char LICENSE[] SEC("license") = "GPL";

#define MAX_EXACT_CPUS 32
/* A CPU hands in at percpu_counter_batch, 64 with 32 CPUs: what is far more is no such counter. */
#define MAX_SHARE 1024

/* Set by the reader before the program is loaded. */
const volatile struct {
	__u32 page_shift;
	__u32 exact_cpus; /* CPUs whose share of the memory counters is added; 0: none */
} settings = { 12, 0 };

/* Where each CPU's data begins; missing where addresses of the kernel are hidden from us. */
extern const void __per_cpu_offset __ksym __weak;

static __u64 cpu_offset[MAX_EXACT_CPUS];

/* tukur_task.flags of a record of numbers: `threads` of them where a task's fields begin. */
#define TASKS_IDLE (1U << 31)
#define IDLE_BATCH 32
#define REFRESH 10

/* What was told last, by thread id; two tasks of one slot just push each other out. */
#define SLOTS 65536
static struct {
	__u64 start;
	__u64 used;
} told[SLOTS];

static struct tukur_task idle;
static __u32 turn;

/* task_state_index() of the kernel, whose highest bit decides. */
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

static __always_inline void put_pids(struct tukur_task *record, struct task_struct *task,
				     unsigned int reader_level)
{
	unsigned int level = task->signal->pids[PIDTYPE_TGID]->level;
	struct number own, parent;

	if (!reader_level) {
		/* In the first namespace the numbers stand in the tasks themselves. */
		record->pid = task->tgid;
		record->ppid = task->real_parent->tgid;
	} else {
		own = number_at(plain(&task->signal->pids[PIDTYPE_TGID]), reader_level);
		parent = number_at(plain(&task->real_parent->signal->pids[PIDTYPE_TGID]), reader_level);
		record->pid = own.nr;
		/* A parent outside the reader's namespace has no number that the reader could use. */
		record->ppid = parent.ns == own.ns ? parent.nr : 0;
	}
	record->ns_pid = record->pid;
	if (level != reader_level)
		record->ns_pid = number_at(plain(&task->signal->pids[PIDTYPE_TGID]), level).nr;
}

/* What the CPUs hold back from the counters, as percpu_counter_sum() adds it. */
static __always_inline void add_per_cpu(__s64 *pages, struct mm_struct___percpu *mm)
{
	char *first = (char *)mm->rss_stat[0].counters;
	__s32 share[NR_MM_COUNTERS];

	/* One allocation since 6.6, so that one read for each CPU gets all four. */
	if (!first || (char *)mm->rss_stat[3].counters != first + 3 * sizeof(__s32))
		return;
	for (__u32 cpu = 0; cpu < MAX_EXACT_CPUS; cpu++) {
		if (cpu >= settings.exact_cpus)
			break;
		if (!cpu_offset[cpu] ||
		    bpf_probe_read_kernel(share, sizeof(share), first + cpu_offset[cpu]))
			continue;
		for (int at = 0; at < NR_MM_COUNTERS; at++)
			if (share[at] > -MAX_SHARE && share[at] < MAX_SHARE)
				pages[at] += share[at];
	}
}

static __always_inline __u64 bytes(__s64 pages)
{
	/* Below zero for a moment: one CPU took away what another has not yet handed in. */
	return pages > 0 ? (__u64)pages << settings.page_shift : 0;
}

static __always_inline void put_memory(struct tukur_task *record, struct task_struct *task)
{
	struct mm_struct *mm = task->mm;
	__s64 pages[NR_MM_COUNTERS] = {};
	__u64 total;

	if (!mm)
		return;
	total = mm->total_vm;
	if (core_field_exists(((struct mm_struct___atomic *)0)->rss_stat.count)) {
		struct mm_struct___atomic *old = (void *)mm;

		/* Read as bytes: before 6.2 the verifier does not follow an array of a typedef. */
		bpf_probe_read_kernel(pages, sizeof(pages), old->rss_stat.count);
	} else {
		struct mm_struct___percpu *new = (void *)mm;

		/* No loop: only for a constant index does the running kernel's element size count. */
		pages[0] = new->rss_stat[0].count;
		pages[1] = new->rss_stat[1].count;
		pages[2] = new->rss_stat[2].count;
		pages[3] = new->rss_stat[3].count;
		if (settings.exact_cpus)
			add_per_cpu(pages, new);
	}
	/* It exited or became another program meanwhile: what was read may be anybody's. */
	if (task->mm != mm)
		return;
	record->vsz = total << settings.page_shift;
	record->rss_file = bytes(pages[MM_FILEPAGES]);
	record->rss_anon = bytes(pages[MM_ANONPAGES]);
	record->rss_shmem = bytes(pages[MM_SHMEMPAGES]);
	record->swap = bytes(pages[MM_SWAPENTS]);
}

static __always_inline void put_process(struct tukur_task *record, struct task_struct *task)
{
	struct signal_struct *signal = task->signal;

	ADD_ENDED_THREADS(record, signal);
	record->threads = signal->nr_threads;
	record->oom_score_adj = signal->oom_score_adj;
	record->uid = task->real_cred->euid.val;
	record->gid = task->real_cred->egid.val;
	record->cgroup_id = task->cgroups->dfl_cgrp->kn->id;
	record->exec_id = task->self_exec_id;
	record->nice = task->static_prio - DEFAULT_PRIO;
	record->policy = task->policy;
	record->state = state_letter(task);
	/* As a string: kernels before 6.5 leave the end of an older, longer name behind the NUL. */
	bpf_probe_read_kernel_str(record->comm, TUKUR_COMM_LEN, task->comm);
	if (task->flags & PF_KTHREAD)
		/* One that works for a process borrows its mm: that memory is counted there. */
		record->flags = TUKUR_TASK_KTHREAD;
	else
		put_memory(record, task);
}

static __always_inline void learn_cpu_offsets(void)
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

static __always_inline __u64 mixed(__u64 sum, __u64 value)
{
	return (sum ^ value) * 0x9e3779b97f4a7c15ULL;
}

/* Whether a process has threads beside this one: the list of them is its head and the task. */
static __always_inline bool alone(const struct task_struct *task)
{
	return task->thread_node.next == task->thread_node.prev;
}

/*
 * Another number as soon as the task ran, or its state or parent became another.
 * 0: a leader with threads, whose work shows in its memory and its signal_struct. One without
 * gets them only by running; so signal_struct, two cache lines, need not be read to know.
 */
static __always_inline __u64 used(const struct task_struct *task, bool leader)
{
	__u64 sum = mixed(task->se.sum_exec_runtime, task->start_boottime);

	if (leader) {
		if (!alone(task))
			return 0;
		/* exit_state follows from __state: who is dead is a zombie, and to become so it ran. */
		sum = mixed(sum, (__u64)task->__state << 32 | task->real_parent->tgid);
	}
	return sum | 1;
}

/* A write that does not fit is made again by the kernel, with the same task, at the next read(). */
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

static __always_inline void put_idle(struct bpf_iter__task *ctx, __u32 number)
{
	__u32 at = idle.threads;

	if (at >= IDLE_BATCH) {
		flush_idle(ctx);
		at = idle.threads;
		if (at)
			return;
	}
	((__u32 *)&idle)[at & (IDLE_BATCH - 1)] = number;
	idle.threads = at + 1;
}

SEC("iter/task")
int tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct tukur_task record;
	unsigned int level;
	__u32 number, slot;
	__u64 now;
	bool leader;

	if (!task) {
		flush_idle(ctx);
		return 0;
	}
	if (ctx->meta->seq_num == 0) {
		learn_cpu_offsets();
		idle.threads = 0;
		turn = (turn + 1) % REFRESH;
	}
	level = bpf_get_current_task_btf()->thread_pid->level;
	number = task->pid;
	if (level)
		number = number_at(plain(&task->thread_pid), level).nr;
	slot = (__u32)task->pid & (SLOTS - 1);
	leader = task->pid == task->tgid;
	now = used(task, leader);
	if (now && told[slot].used == now && told[slot].start == task->start_boottime &&
	    (__u32)task->pid % REFRESH != turn) {
		put_idle(ctx, number);
		return 0;
	}
	__builtin_memset(&record, 0, sizeof(record));
	PUT_USAGE(&record, task);
	put_pids(&record, task, level);
	record.start_ns = task->group_leader->start_boottime;
	if (leader) {
		put_process(&record, task);
	} else {
		record.flags = TUKUR_TASK_THREAD;
		/* For the reader alone, to know it again in a record of numbers. */
		record.ns_pid = number;
	}
	if (write(ctx, &record)) {
		told[slot].used = now;
		told[slot].start = task->start_boottime;
	}
	return 0;
}
