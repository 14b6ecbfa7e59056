/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fills a tukur_task for one process, and walks over all of them.
 *
 * Why it is safe to read a task that may exit at any moment:
 *
 *  - A task found by its PID under rcu_read_lock() is not freed before the
 *    unlock, and neither are its signal_struct (freed with the task_struct),
 *    its parent and its css_set. Its credentials are themselves under RCU.
 *  - An mm_struct is freed with its last reference, so task->mm is read under
 *    task_lock(), which exit_mm() and exec hold while they replace it. No
 *    reference is taken: dropping the last one could sleep.
 *  - The threads of a process are a list under RCU whose head is in signal_struct:
 *    it can be walked from the leader, which stays in it until it is reaped.
 *  - A thread that exits moves its usage into signal_struct under stats_lock.
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

/* With more CPUs, the exact sum of a per-CPU counter costs too much. */
#define TUKUR_EXACT_CPUS 32

/* PIDs that the walk visits at most in one RCU section. */
#define TUKUR_WALK_PIDS 256

struct tukur_walk {
	struct tukur_view *view;
	int next;  /* the PID to continue from */
	bool done; /* there is no PID >= next */
	void (*fill)(struct tukur_task *record, struct task_struct *task);
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

/*
 * Whose state, memory, owner and cgroup are the process's: the leader's, or, where it has
 * exited while others go on, those of the first thread that still has memory. Called under RCU.
 */
static inline struct task_struct *tukur_live_thread(struct task_struct *leader)
{
	struct task_struct *thread;

	/* Without a lock: it is only compared. exit_mm() has cleared it for good. */
	if (READ_ONCE(leader->mm) || leader->flags & PF_KTHREAD)
		return leader;
	__for_each_thread(leader->signal, thread)
		if (READ_ONCE(thread->mm))
			return thread;
	return leader;
}

/* @task: any thread of the process. */
static inline void tukur_fill_memory(struct tukur_task *record, struct task_struct *task)
{
	struct mm_struct *mm;

	/* A kernel thread may use the mm of a process, where that memory is already counted. */
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

static inline void tukur_fill_cgroup(struct tukur_task *record, struct task_struct *task)
{
#ifdef CONFIG_CGROUPS
	record->cgroup_id = cgroup_id(task_dfl_cgroup(task));
#endif
}

static inline void tukur_fill_identity(struct tukur_task *record, struct task_struct *leader,
				       struct task_struct *live)
{
	record->start_ns = leader->start_boottime;
	/* An exited leader counts until it is reaped, with the last of the others. */
	record->threads = READ_ONCE(leader->signal->nr_threads) - (live != leader);
	record->exec_id = (u32)live->self_exec_id;
	record->flags = leader->flags & PF_KTHREAD ? TUKUR_TASK_KTHREAD : 0;
	record->nice = task_nice(live);
	record->oom_score_adj = leader->signal->oom_score_adj;
	record->state = task_state_to_char(live);
	record->policy = live->policy;
	/* Before 6.5 the rest of an earlier, longer name remains after the NUL. */
	strscpy_pad(record->comm, leader->comm, sizeof(record->comm));
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

static inline void tukur_fill_exited_threads(struct tukur_task *record,
					     const struct signal_struct *signal)
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

/* utime and stime are sampled by the tick: cpu_ns is divided in their ratio. */
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

static inline void tukur_fill_sums(struct tukur_task *record, struct signal_struct *signal)
{
	struct task_struct *thread;

	tukur_fill_exited_threads(record, signal);
	__for_each_thread(signal, thread)
		tukur_add_thread(record, thread);
}

/* Usage of all threads, exited ones included, read as thread_group_cputime() does. */
static inline void tukur_fill_usage(struct tukur_task *record, struct task_struct *task)
{
	struct signal_struct *signal = task->signal;
	unsigned long flags;
	unsigned int seq;

	/* First without the lock: a thread rarely exits at that moment. */
	seq = read_seqbegin(&signal->stats_lock);
	tukur_fill_sums(record, signal);
	if (read_seqretry(&signal->stats_lock, seq)) {
		read_seqlock_excl_irqsave(&signal->stats_lock, flags);
		tukur_fill_sums(record, signal);
		read_sequnlock_excl_irqrestore(&signal->stats_lock, flags);
	}
	tukur_split_cpu(record);
}

/* PIDs and owner as seen from the reader's namespaces. */
static inline void tukur_fill_ids(struct tukur_task *record, struct task_struct *leader,
				  struct task_struct *live, const struct pid *pid,
				  const struct tukur_view *view)
{
	const struct cred *cred = __task_cred(live);

	record->ppid = task_ppid_nr_ns(leader, view->ns);
	record->ns_pid = pid->numbers[pid->level].nr;
	record->uid = from_kuid_munged(view->user_ns, cred->euid);
	record->gid = from_kgid_munged(view->user_ns, cred->egid);
}

/*
 * Fills records of the next processes in the order of their PIDs, up to @capacity or
 * fewer; walk->done is set at the end. A process that exists during the whole walk is
 * visited exactly once: its PID does not change, and the walk never goes back.
 */
static inline unsigned int tukur_walk(struct tukur_walk *walk, struct tukur_task *records,
				      unsigned int capacity)
{
	unsigned int filled = 0, visited;
	struct task_struct *leader, *live;
	struct tukur_task *record;
	struct pid *pid;

	rcu_read_lock();
	for (visited = 0; filled < capacity && visited < TUKUR_WALK_PIDS; visited++, walk->next++) {
		pid = idr_get_next(&walk->view->ns->idr, &walk->next);
		if (!pid) {
			walk->done = true;
			break;
		}
		/* Only a thread group leader has this type, also one that became it by exec. */
		leader = pid_task(pid, PIDTYPE_TGID);
		if (!leader)
			continue;
		live = tukur_live_thread(leader);
		if (!tukur_is_visible(walk->view, live))
			continue;
		record = &records[filled++];
		memset(record, 0, sizeof(*record));
		record->pid = walk->next;
		tukur_fill_ids(record, leader, live, pid, walk->view);
		tukur_fill_identity(record, leader, live);
		walk->fill(record, live);
	}
	rcu_read_unlock();
	return filled;
}

#endif /* TUKUR_WALK_H */
