// SPDX-License-Identifier: GPL-2.0-only
/*
 * tasks.bpf.c - every process of the reader's PID namespace as a tukur_task, on
 * the kernels that cannot load walk.bpf.c: 5.15 to 6.6.
 *
 * One record for each thread group leader, and one with TUKUR_TASK_THREAD for
 * each other thread, which the reader adds to its process: a loop over threads
 * here would need an iterator that kernels before 6.7 lack. Once the leader has
 * ended, the record of the first thread that lives also says what the process
 * is: its `threads` is not 0.
 *
 * Most tasks sleep through most samples. For one that has not run since the last
 * read, only its PID is written, in a record that holds the PIDs of up to
 * IDLE_BATCH such tasks: the reader's last record of it is still valid. At each
 * read a tenth of them, in rotation, is written in full anyway, because others can
 * change a sleeping task: memory reclaimed or swapped out, nice, cgroup.
 * Reading 10,000 sleeping tasks in full touches 300,000 cache lines; this, 90,000.
 */
#include "record.h"

char LICENSE[] SEC("license") = "GPL";

/* tukur_task.flags of a record of PIDs, which holds `threads` PIDs from its first byte on. */
#define TASKS_IDLE (1U << 31)
#define IDLE_BATCH 32
#define MAX_ENDED_THREADS 8

/* The last full record of a thread, by thread ID; tasks in the same slot evict each other. */
#define SLOTS 65536
static struct {
	__u64 start;
	__u64 activity;
} reported[SLOTS];

static struct tukur_task idle;
static __u32 refresh_slot;

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

/*
 * Whether no thread between the leader, which has ended, and another one has memory; `previous`:
 * what stands before that in the list of threads. Those that have ended leave the list at once
 * unless they are traced: a few are passed over, no more.
 * As numbers: the verifier does not let a pointer go from a list to what contains it. A function
 * that is not static: it is verified once, and not for all that may follow.
 */
__attribute__((noinline)) int is_first_living(__u64 leader, __u64 previous)
{
	const __u64 offset = core_field_offset(((struct task_struct *)0)->thread_node);
	const __u64 mm_offset = core_field_offset(((struct task_struct *)0)->mm);
	const __u64 prev_offset = core_field_offset(((struct task_struct *)0)->thread_node.prev);

	for (int passed = 0; passed < MAX_ENDED_THREADS; passed++) {
		__u64 thread = previous - offset, mm = 0;

		if (thread == leader)
			return 1;
		bpf_probe_read_kernel(&mm, sizeof(mm), (void *)(thread + mm_offset));
		if (mm)
			return 0;
		bpf_probe_read_kernel(&previous, sizeof(previous), (void *)(thread + prev_offset));
	}
	return 0;
}

/* Whether it says what its process is, in place of the leader, which has ended. */
static __always_inline bool speaks(struct task_struct *task)
{
	__u64 leader = 0, previous = 0;

	if (!task->mm || !has_ended(task->group_leader))
		return false;
	bpf_probe_read_kernel(&leader, sizeof(leader), &task->group_leader);
	bpf_probe_read_kernel(&previous, sizeof(previous), &task->thread_node.prev);
	return is_first_living(leader, previous);
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
	bool leader, whole;

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
	whole = leader || speaks(task);
	activity = whole == leader ? activity_hash(task, leader) : 0;
	if (activity && reported[slot].activity == activity &&
	    reported[slot].start == task->start_boottime &&
	    (__u32)task->pid % REFRESH != refresh_slot) {
		add_idle(ctx, number);
		return 0;
	}
	__builtin_memset(&record, 0, sizeof(record));
	FILL_USAGE(&record, task);
	fill_pids(&record, task, level);
	if (leader)
		ADD_EXITED_THREADS(&record, task->signal);
	if (whole)
		fill_process(&record, task);
	/* Asked again: the verifier follows fill_process() for every value that is kept over it. */
	if (task->pid != task->tgid) {
		record.start_ns = task->group_leader->start_boottime;
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
