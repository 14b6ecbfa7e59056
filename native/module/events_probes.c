// SPDX-License-Identifier: GPL-2.0-only
/*
 * The probes of /proc/tukur_events: each runs on a tracepoint of the kernel and
 * makes an event of tukur_record.h of what it sees.
 *
 * A death is reported twice, as EXIT and as FREE: see tukur_record.h.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cgroup.h>
#include <linux/cred.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/sched/cputime.h>
#include <linux/sched/signal.h>
#include <linux/string.h>
#include <linux/tracepoint.h>
#include <linux/uaccess.h>

#include "cpu.h"
#include "events.h"

/* An EXEC is too large for the stack. The extra 8 bytes are for padding. */
struct exec_scratch {
	struct tukur_exec exec;
	char args[TUKUR_ARGS_MAX + 8];
};

struct cgroup_scratch {
	struct tukur_cgroup cgroup;
	char path[1024]; /* TRACE_CGROUP_PATH_LEN */
};

union scratch {
	struct exec_scratch exec;
	struct cgroup_scratch cgroup;
};

static union scratch __percpu *scratch;

static void add_usage(struct tukur_exit *event, const struct task_struct *task)
{
	event->cpu_ns += task->se.sum_exec_runtime;
	event->utime_ns += task->utime;
	event->stime_ns += task->stime;
	event->minflt += task->min_flt;
	event->majflt += task->maj_flt;
	event->nvcsw += task->nvcsw;
	event->nivcsw += task->nivcsw;
#ifdef CONFIG_TASK_IO_ACCOUNTING
	event->read_bytes += task->ioac.read_bytes;
	event->write_bytes += task->ioac.write_bytes;
#endif
}

static void fill_exited_threads(struct tukur_exit *event, const struct signal_struct *signal)
{
	event->cpu_ns = signal->sum_sched_runtime;
	event->utime_ns = signal->utime;
	event->stime_ns = signal->stime;
	event->minflt = signal->min_flt;
	event->majflt = signal->maj_flt;
	event->nvcsw = signal->nvcsw;
	event->nivcsw = signal->nivcsw;
#ifdef CONFIG_TASK_IO_ACCOUNTING
	event->read_bytes = signal->ioac.read_bytes;
	event->write_bytes = signal->ioac.write_bytes;
#endif
}

static u64 cgroup_of(struct task_struct *task)
{
#ifdef CONFIG_CGROUPS
	return cgroup_id(task_dfl_cgroup(task));
#else
	return 0;
#endif
}

/* What EXIT and FREE have in common. Called under RCU. */
static void fill_common(struct tukur_exit *event, struct task_struct *leader)
{
	const struct signal_struct *signal = leader->signal;

	event->at_ns = ktime_get_boottime_ns();
	event->start_ns = leader->start_boottime;
	event->size = sizeof(*event);
	/* At most this, until fill_peak() knows more. */
	event->rss_peak = (u64)signal->maxrss << PAGE_SHIFT;
	event->cgroup_id = cgroup_of(leader);
	event->pid = leader->tgid;
	event->kernel_pid = leader->tgid;
	event->flags = leader->flags & PF_KTHREAD ? TUKUR_TASK_KTHREAD : 0;
	event->status = signal->flags & SIGNAL_GROUP_EXIT ? signal->group_exit_code :
							    leader->exit_code;
	strscpy_pad(event->comm, leader->comm, sizeof(event->comm));
}

/*
 * The peak of the last image's own memory, if the kernel knows it. signal->maxrss also has the
 * memory before exec(): the process's own, or its parent's after vfork(). Called under RCU.
 */
static void fill_peak(struct tukur_exit *event, struct task_struct *task,
		      struct task_struct *leader)
{
	struct mm_struct *mm = task->mm;
	unsigned long maxrss = leader->signal->maxrss;
	bool called_exec = !(leader->flags & PF_FORKNOEXEC);

	/* After vfork() and without exec, the memory is the parent's. exit_mm() keeps active_mm. */
	if (!(leader->flags & PF_KTHREAD) &&
	    task->active_mm == READ_ONCE(rcu_dereference(leader->real_parent)->mm))
		return;
	/* Before 6.16 the mm is gone. What exec() did not fold into maxrss is the last image's. */
	if (leader->flags & PF_KTHREAD)
		event->rss_peak = 0;
	else if (mm)
		event->rss_peak = (u64)get_mm_hiwater_rss(mm) << PAGE_SHIFT;
	else if (called_exec && maxrss <= tukur_maxrss_at_exec(event))
		return;
	event->flags |= TUKUR_EXIT_OWN_PEAK;
}

/* Runs in the last thread of a process, while it exits. */
static void report_exit(struct task_struct *task)
{
	struct task_struct *leader = task->group_leader, *parent;
	struct tukur_exit event = { .kind = TUKUR_EVENT_EXIT };
	const struct cred *cred;
	struct pid *pid;

	rcu_read_lock();
	fill_exited_threads(&event, task->signal);
	add_usage(&event, leader);
	/* A leader that exited first remains a zombie: signal_struct does not include it yet. */
	if (task != leader)
		add_usage(&event, task);
	fill_common(&event, leader);
	fill_peak(&event, task, leader);
	cred = __task_cred(leader);
	event.uid = from_kuid_munged(&init_user_ns, cred->euid);
	event.gid = from_kgid_munged(&init_user_ns, cred->egid);
	parent = rcu_dereference(leader->real_parent);
	event.ppid = parent->tgid;
	pid = task_tgid(leader);
	event.ns_pid = pid ? pid->numbers[pid->level].nr : 0;
	tukur_emit_exit(&event, parent->group_leader->start_boottime);
	rcu_read_unlock();
}

#ifdef TUKUR_EXIT_HAS_GROUP_DEAD
static void on_exit(void *data, struct task_struct *task, bool group_dead)
{
	if (group_dead)
		report_exit(task);
}
#else
static void on_exit(void *data, struct task_struct *task)
{
	if (!atomic_read(&task->signal->live))
		report_exit(task);
}
#endif

/* The task is no longer reachable by anyone else. */
static void on_free(void *data, struct task_struct *task)
{
	struct tukur_exit event = { .kind = TUKUR_EVENT_FREE };

	if (task->pid != task->tgid)
		return;
	rcu_read_lock();
	fill_exited_threads(&event, task->signal);
	/*
	 * The parent may have reaped it before it was done exiting: the CPU time used
	 * since then is counted only in the task's own sum.
	 */
	event.cpu_ns = max_t(u64, event.cpu_ns, task->se.sum_exec_runtime);
	fill_common(&event, task);
	rcu_read_unlock();
	tukur_emit_free(&event);
}

/* Bytes that can be read without sleeping: all of them, since exec has just written them. */
static u32 copy_args(char *to, unsigned long from, u32 length)
{
	u32 done = 0, part;

	while (done < length) {
		part = min_t(u32, length - done, PAGE_SIZE - offset_in_page(from + done));
		if (copy_from_user_nofault(to + done, (void __user *)(from + done), part))
			break;
		done += part;
	}
	return done;
}

static void fill_exec(struct exec_scratch *buffer, struct task_struct *task, struct mm_struct *mm)
{
	struct tukur_exec *exec = &buffer->exec;
	unsigned long total = mm->arg_end - mm->arg_start;
	const struct cred *cred = current_cred();

	memset(exec, 0, sizeof(*exec));
	exec->args_whole = min_t(unsigned long, total, U32_MAX);
	exec->args_len =
		copy_args(buffer->args, mm->arg_start, min_t(unsigned long, total, TUKUR_ARGS_MAX));
	memset(buffer->args + exec->args_len, 0, 8);
	exec->at_ns = ktime_get_boottime_ns();
	exec->start_ns = task->group_leader->start_boottime;
	exec->size = sizeof(*exec) + ALIGN(exec->args_len, 8);
	exec->kind = TUKUR_EVENT_EXEC;
	exec->pid = task->tgid;
	exec->kernel_pid = task->tgid;
	exec->uid = from_kuid_munged(&init_user_ns, cred->euid);
	exec->gid = from_kgid_munged(&init_user_ns, cred->egid);
	rcu_read_lock();
	exec->ppid = rcu_dereference(task->real_parent)->tgid;
	exec->cgroup_id = cgroup_of(task);
	rcu_read_unlock();
	strscpy_pad(exec->comm, task->comm, sizeof(exec->comm));
}

/* Runs in the process that has called exec. */
static void on_exec(void *data, struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm)
{
	struct exec_scratch *buffer;

	if (!task->mm)
		return;
	buffer = &get_cpu_ptr(scratch)->exec;
	fill_exec(buffer, task, task->mm);
	tukur_emit_exec(&buffer->exec, task->signal->maxrss);
	put_cpu_ptr(scratch);
}

#ifdef CONFIG_CGROUPS
static void on_cgroup_mkdir(void *data, struct cgroup *cgroup, const char *path)
{
	struct cgroup_scratch *buffer = &get_cpu_ptr(scratch)->cgroup;
	u32 length = strnlen(path, sizeof(buffer->path));

	memset(buffer, 0, sizeof(*buffer));
	memcpy(buffer->path, path, length);
	buffer->cgroup.at_ns = ktime_get_boottime_ns();
	buffer->cgroup.cgroup_id = cgroup_id(cgroup);
	buffer->cgroup.size = sizeof(buffer->cgroup) + ALIGN(length, 8);
	buffer->cgroup.kind = TUKUR_EVENT_CGROUP;
	buffer->cgroup.path_len = length;
	buffer->cgroup.root = cgroup->root->hierarchy_id;
	tukur_emit_cgroup(&buffer->cgroup);
	put_cpu_ptr(scratch);
}
#endif

/* Tracepoints are not exported to modules by name, but a module can search for them. */
static struct probe {
	const char *name;
	void *call;
	struct tracepoint *point;
} probes[] = {
	{ "sched_process_exec", on_exec },
	{ "sched_process_exit", on_exit },
	{ "sched_process_free", on_free },
#ifdef CONFIG_CGROUPS
	{ "cgroup_mkdir", on_cgroup_mkdir },
#endif
};

static void find_tracepoint(struct tracepoint *point, void *unused)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(probes); i++)
		if (!strcmp(point->name, probes[i].name))
			probes[i].point = point;
}

void tukur_events_init(void)
{
	for_each_kernel_tracepoint(find_tracepoint, NULL);
}

static void unregister_probes(int count)
{
	while (count--)
		tracepoint_probe_unregister(probes[count].point, probes[count].call, NULL);
	/* Afterwards no probe runs on any CPU. */
	tracepoint_synchronize_unregister();
}

static int register_probes(void)
{
	int i, err;

	for (i = 0; i < ARRAY_SIZE(probes); i++) {
		err = -ENODEV;
		if (probes[i].point)
			err = tracepoint_probe_register(probes[i].point, probes[i].call, NULL);
		if (err) {
			pr_err("tracepoint %s: error %d\n", probes[i].name, err);
			unregister_probes(i);
			return err;
		}
	}
	return 0;
}

static void free_scratch(void)
{
	free_percpu(scratch);
	scratch = NULL;
}

int tukur_probes_add(void)
{
	int err;

	scratch = alloc_percpu(union scratch);
	if (!scratch)
		return -ENOMEM;
	err = register_probes();
	if (err)
		free_scratch();
	return err;
}

void tukur_probes_remove(void)
{
	unregister_probes(ARRAY_SIZE(probes));
	free_scratch();
}
