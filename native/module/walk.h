/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One process as a tukur_task, and the walk over all of them.
 *
 * What makes it safe to look at a task that may exit at any moment:
 *
 *  - A task found by its PID under rcu_read_lock() is not freed before the
 *    unlock, and neither are its signal_struct (freed with the task_struct),
 *    its parent and its css_set. Its credentials are RCU-managed themselves.
 *  - The memory of a process goes as soon as nobody holds it, so task->mm is
 *    read under task_lock(), which exit_mm() and exec take to replace it.
 *    A reference is not taken: giving it back could be the last, and sleep.
 *  - A thread that ends moves its usage into signal_struct under stats_lock.
 *    Reading both in one section of that lock counts each thread once.
 */
#ifndef TUKUR_WALK_H
#define TUKUR_WALK_H

#include <linux/cgroup.h>
#include <linux/idr.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/percpu_counter.h>
#include <linux/pid.h>
#include <linux/rcupdate.h>
#include <linux/sched/cputime.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/string.h>

#include "tukur_record.h"
#include "view.h"

/* Above, the exact sum of a counter that each CPU holds a part of costs too much. */
#define TUKUR_EXACT_CPUS 32

/* The longest that one RCU section of the walk may look around, in PIDs. */
#define TUKUR_WALK_PIDS 256

struct tukur_walk {
	struct tukur_view *view;
	int next;	/* the PID to go on from           */
	bool done;	/* there is none of that or higher */
	void (*put)(struct tukur_task *record, struct task_struct *task);
};

/* Bytes of MM_FILEPAGES, MM_ANONPAGES, MM_SHMEMPAGES or MM_SWAPENTS. */
static inline u64 tukur_mm_bytes(struct mm_struct *mm, int counter)
{
#ifdef TUKUR_PERCPU_RSS
	if (num_online_cpus() <= TUKUR_EXACT_CPUS)
		return (u64)percpu_counter_sum_positive(&mm->rss_stat[counter]) << PAGE_SHIFT;
#endif
	return (u64)get_mm_counter(mm, counter) << PAGE_SHIFT;
}

static inline void tukur_put_memory(struct tukur_task *record, struct task_struct *task)
{
	struct mm_struct *mm;

	/* A kernel thread may have borrowed the memory of a process, where it is counted. */
	if (task->flags & PF_KTHREAD)
		return;
	task_lock(task);
	mm = task->mm;
	if (mm) {
		record->rss_file = tukur_mm_bytes(mm, MM_FILEPAGES);
		record->rss_anon = tukur_mm_bytes(mm, MM_ANONPAGES);
		record->rss_shmem = tukur_mm_bytes(mm, MM_SHMEMPAGES);
		record->swap = tukur_mm_bytes(mm, MM_SWAPENTS);
		record->vsz = (u64)mm->total_vm << PAGE_SHIFT;
	}
	task_unlock(task);
}

static inline void tukur_put_cgroup(struct tukur_task *record, struct task_struct *task)
{
#ifdef CONFIG_CGROUPS
	record->cgroup_id = cgroup_id(task_dfl_cgroup(task));
#endif
}

/* Who it is. */
static inline void tukur_put_identity(struct tukur_task *record, struct task_struct *task)
{
	record->start_ns = task->start_boottime;
	record->threads = READ_ONCE(task->signal->nr_threads);
	record->exec_id = (u32)task->self_exec_id;
	record->flags = task->flags & PF_KTHREAD ? TUKUR_TASK_KTHREAD : 0;
	record->nice = task_nice(task);
	record->oom_score_adj = task->signal->oom_score_adj;
	record->state = task_state_to_char(task);
	record->policy = task->policy;
	/* Before 6.5 the end of a longer name that it had earlier stands behind the NUL. */
	strscpy_pad(record->comm, task->comm, sizeof(record->comm));
}

static inline void tukur_add_thread(struct tukur_task *record, const struct task_struct *thread)
{
	record->cpu_ns += thread->se.sum_exec_runtime;
	record->utime_ns += thread->utime;
	record->stime_ns += thread->stime;
	record->minflt += thread->min_flt;
	record->majflt += thread->maj_flt;
	record->nvcsw += thread->nvcsw;
	record->nivcsw += thread->nivcsw;
#ifdef CONFIG_TASK_IO_ACCOUNTING
	record->read_bytes += thread->ioac.read_bytes;
	record->write_bytes += thread->ioac.write_bytes;
#endif
}

static inline void tukur_put_ended(struct tukur_task *record, const struct signal_struct *signal)
{
	record->cpu_ns = signal->sum_sched_runtime;
	record->utime_ns = signal->utime;
	record->stime_ns = signal->stime;
	record->minflt = signal->min_flt;
	record->majflt = signal->maj_flt;
	record->nvcsw = signal->nvcsw;
	record->nivcsw = signal->nivcsw;
#ifdef CONFIG_TASK_IO_ACCOUNTING
	record->read_bytes = signal->ioac.read_bytes;
	record->write_bytes = signal->ioac.write_bytes;
#endif
}

/* utime and stime are counted in ticks: their ratio is taken, the sum is cpu_ns. */
static inline void tukur_split_cpu(struct tukur_task *record)
{
#ifndef CONFIG_VIRT_CPU_ACCOUNTING_NATIVE
	u64 user = record->utime_ns, kernel = record->stime_ns, cpu = record->cpu_ns;

	if (!kernel)
		kernel = 0;
	else if (!user)
		kernel = cpu;
	else
		kernel = min(cpu, mul_u64_u64_div_u64(kernel, cpu, kernel + user));
	record->stime_ns = kernel;
	record->utime_ns = cpu - kernel;
#endif
}

static inline void tukur_put_sums(struct tukur_task *record, struct signal_struct *signal)
{
	struct task_struct *thread;

	tukur_put_ended(record, signal);
	__for_each_thread(signal, thread)
		tukur_add_thread(record, thread);
}

/* What it used, its ended threads included; as thread_group_cputime() reads it. */
static inline void tukur_put_usage(struct tukur_task *record, struct task_struct *task)
{
	struct signal_struct *signal = task->signal;
	unsigned long flags;
	unsigned int seq;

	/* Without the lock at first: hardly ever does a thread end just then. */
	seq = read_seqbegin(&signal->stats_lock);
	tukur_put_sums(record, signal);
	if (read_seqretry(&signal->stats_lock, seq)) {
		read_seqlock_excl_irqsave(&signal->stats_lock, flags);
		tukur_put_sums(record, signal);
		read_sequnlock_excl_irqrestore(&signal->stats_lock, flags);
	}
	tukur_split_cpu(record);
}

/* What it is called, and by whom it is owned, in the eyes of the reader. */
static inline void tukur_put_numbers(struct tukur_task *record, struct task_struct *task,
				     const struct pid *pid, const struct tukur_view *view)
{
	const struct cred *cred = __task_cred(task);

	record->ppid = task_ppid_nr_ns(task, view->ns);
	record->ns_pid = pid->numbers[pid->level].nr;
	record->uid = from_kuid_munged(view->user_ns, cred->euid);
	record->gid = from_kgid_munged(view->user_ns, cred->egid);
}

/*
 * The next processes in the order of their PIDs, as many as there is room for or
 * fewer; walk->done tells the end. What was there all along is met exactly once:
 * a PID does not change, and the walk never goes back.
 */
static inline unsigned int tukur_walk(struct tukur_walk *walk, struct tukur_task *records,
				      unsigned int room)
{
	unsigned int filled = 0, looked;
	struct task_struct *task;
	struct tukur_task *record;
	struct pid *pid;

	rcu_read_lock();
	for (looked = 0; filled < room && looked < TUKUR_WALK_PIDS; looked++, walk->next++) {
		pid = idr_get_next(&walk->view->ns->idr, &walk->next);
		if (!pid) {
			walk->done = true;
			break;
		}
		/* Only the leader has it so, also one that became it in an exec. */
		task = pid_task(pid, PIDTYPE_TGID);
		if (!task || !tukur_sees(walk->view, task))
			continue;
		record = &records[filled++];
		memset(record, 0, sizeof(*record));
		record->pid = walk->next;
		tukur_put_numbers(record, task, pid, walk->view);
		tukur_put_identity(record, task);
		walk->put(record, task);
	}
	rcu_read_unlock();
	return filled;
}

#endif /* TUKUR_WALK_H */
