// SPDX-License-Identifier: GPL-2.0-only
/*
 * lives.bpf.c - the life of every process, however short: the events of
 * tukur_record.h, written into a ring as they happen.
 *
 * A death is reported twice. When the last thread exits (EXIT), the identity of
 * the process and of its parent are known, but its usage since the last tick is
 * not counted yet, which is nearly all usage of a life of a millisecond. When it
 * was reaped (FREE), all usage is counted, but its parent may be gone and it has
 * no PIDs in its namespaces any more. The reader joins the two.
 *
 * A death that does not fit into the ring is added to the group of its name and
 * parent, so that its CPU time can still be attributed to a name. If the map of
 * groups is full too, it is only counted.
 */
#include "kernel.h"

#include "../include/tukur_record.h"
#include "pids.h"
#include "usage.h"

char LICENSE[] SEC("license") = "GPL";

/* Set by the reader before the program is loaded. */
const volatile struct {
	__u32 page_shift;
	__u32 pid_ns; /* inode of the reader's PID namespace; 0: the initial one */
} settings = { 12, 0 };

extern int LINUX_KERNEL_VERSION __kconfig;

/* From 6.16 on a process still has its mm when sched_process_exit is reached. */
#define MM_AT_EXIT (LINUX_KERNEL_VERSION >= (6 << 16 | 16 << 8))

/* What did not fit anywhere, since the program was loaded. */
struct {
	__u64 execs;
	__u64 lives;
	__u64 cpu_ns;
	__u64 finals;
	__u64 grouped; /* not lost: how often something was added to a group */
} lost;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 2 << 20); /* the reader may set another size */
} ring SEC_MAPS;

struct group_key {
	__u64 parent_start_ns;
	__u32 ppid;
	__u32 uid;
	char comm[TUKUR_COMM_LEN];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct group_key);
	__type(value, struct tukur_group);
} groups SEC_MAPS;

/* Deaths added to a group, by PID in the initial namespace: FREE is added to the same group. */
struct grouped {
	__u64 start_ns;
	__u64 cpu_ns;
	struct group_key group;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u32);
	__type(value, struct grouped);
} grouped SEC_MAPS;

/* An EXEC is too large for the stack. The extra 8 bytes are for padding. */
struct exec_scratch {
	struct tukur_exec exec;
	char args[TUKUR_ARGS_MAX + 8];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct exec_scratch);
} exec_scratch SEC_MAPS;

/*
 * Before 6.16: signal->maxrss as exec() left it, pages. exec() folds the old memory into it: the
 * process's own, or its parent's after vfork(). What is beyond it at the end is of the last image.
 */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u64);
} maxrss_at_exec SEC_MAPS;

struct cgroup_scratch {
	struct tukur_cgroup cgroup;
	char path[1024]; /* TRACE_CGROUP_PATH_LEN */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cgroup_scratch);
} cgroup_scratch SEC_MAPS;

static __always_inline bool emit(void *event, __u64 size)
{
	/* No wakeup: the reader polls. */
	return bpf_ringbuf_output(&ring, event, size, BPF_RB_NO_WAKEUP) == 0;
}

/* Level of the reader's PID namespace among those of `pid`; -1: not among them. */
static __always_inline int reader_level(char *pid, unsigned int deepest)
{
	for (unsigned int level = 0; level <= MAX_PID_LEVEL; level++) {
		struct pid_number number;
		__u32 inum = 0;

		if (level > deepest)
			break;
		number = number_at(pid, level);
		bpf_probe_read_kernel(
			&inum, sizeof(inum),
			(char *)number.ns +
				core_field_offset(((struct pid_namespace *)0)->ns.inum));
		if (inum == settings.pid_ns)
			return level;
	}
	return -1;
}

/* As seen by the reader; pid 0: the process is not in its namespace. */
struct pids {
	__u32 pid;
	__u32 ppid;
	__u32 ns_pid;
};

static __always_inline struct pids pids_of(struct task_struct *task)
{
	struct pids pids = { task->tgid, task->real_parent->tgid, task->tgid };
	char *pid = pid_address(&task->signal->pids[PIDTYPE_TGID]);
	unsigned int deepest = task->signal->pids[PIDTYPE_TGID]->level;
	struct pid_number own, parent;
	int level = 0;

	if (settings.pid_ns) {
		level = reader_level(pid, deepest);
		if (level < 0) {
			pids.pid = 0;
			return pids;
		}
		own = number_at(pid, level);
		parent = number_at(pid_address(&task->real_parent->signal->pids[PIDTYPE_TGID]),
				   level);
		pids.pid = own.nr;
		pids.ppid = parent.ns == own.ns ? parent.nr : 0;
	}
	if (deepest != (unsigned int)level)
		pids.ns_pid = number_at(pid, deepest).nr;
	return pids;
}

static __always_inline void fill_status(struct tukur_exit *event, const struct task_struct *leader)
{
	const struct signal_struct *signal = leader->signal;

	event->status = signal->flags & SIGNAL_GROUP_EXIT ? signal->group_exit_code :
							    leader->exit_code;
}

/* What EXIT and FREE have in common. */
static __always_inline void fill_common(struct tukur_exit *event, struct task_struct *leader)
{
	event->at_ns = bpf_ktime_get_boot_ns();
	event->start_ns = leader->start_boottime;
	event->size = sizeof(*event);
	/* At most this, until fill_peak() knows more. */
	event->rss_peak = (__u64)leader->signal->maxrss << settings.page_shift;
	event->cgroup_id = leader->cgroups->dfl_cgrp->kn->id;
	event->kernel_pid = leader->tgid;
	event->flags = leader->flags & PF_KTHREAD ? TUKUR_TASK_KTHREAD : 0;
	fill_status(event, leader);
	bpf_probe_read_kernel_str(event->comm, TUKUR_COMM_LEN, leader->comm);
}

/* As get_mm_hiwater_rss(): what the kernel itself folds into signal->maxrss. */
static __always_inline __u64 hiwater_pages(struct mm_struct *mm)
{
	__s64 pages[NR_MM_COUNTERS] = {};
	__u64 now = 0;

	if (core_field_exists(((struct mm_struct___atomic *)0)->rss_stat.count)) {
		struct mm_struct___atomic *old = (void *)mm;

		bpf_probe_read_kernel(pages, sizeof(pages), old->rss_stat.count);
	} else {
		struct mm_struct___percpu *new = (void *)mm;

		pages[MM_FILEPAGES] = new->rss_stat[MM_FILEPAGES].count;
		pages[MM_ANONPAGES] = new->rss_stat[MM_ANONPAGES].count;
		pages[MM_SHMEMPAGES] = new->rss_stat[MM_SHMEMPAGES].count;
	}
	now += pages[MM_FILEPAGES] > 0 ? pages[MM_FILEPAGES] : 0;
	now += pages[MM_ANONPAGES] > 0 ? pages[MM_ANONPAGES] : 0;
	now += pages[MM_SHMEMPAGES] > 0 ? pages[MM_SHMEMPAGES] : 0;
	return mm->hiwater_rss > now ? mm->hiwater_rss : now;
}

/* The peak of the last image's own memory, if the kernel knows it. */
static __always_inline void fill_peak(struct tukur_exit *event, struct task_struct *task,
				      struct task_struct *leader)
{
	__u64 maxrss = leader->signal->maxrss, *folded;
	struct mm_struct *mm = task->mm;

	if (leader->flags & PF_KTHREAD) {
		event->flags |= TUKUR_EXIT_OWN_PEAK;
		return;
	}
	/* After vfork() and without exec, the memory is the parent's. exit_mm() keeps active_mm. */
	if (task->active_mm == leader->real_parent->mm)
		return;
	if (mm) {
		event->rss_peak = hiwater_pages(mm) << settings.page_shift;
	} else if (MM_AT_EXIT) {
		return;
	} else if (!(leader->flags & PF_FORKNOEXEC)) {
		folded = bpf_task_storage_get(&maxrss_at_exec, leader, 0, 0);
		if (!folded || maxrss <= *folded)
			return;
	}
	event->flags |= TUKUR_EXIT_OWN_PEAK;
}

static __always_inline void add_to_group(const struct group_key *key,
					 const struct tukur_exit *event, __u64 lives, __u64 cpu_ns)
{
	struct tukur_group fresh = {}, *group;

	__sync_fetch_and_add(&lost.grouped, 1);
	group = bpf_map_lookup_elem(&groups, key);
	if (!group) {
		fresh.first_ns = event->at_ns;
		bpf_map_update_elem(&groups, key, &fresh, BPF_ANY);
		group = bpf_map_lookup_elem(&groups, key);
	}
	if (!group) {
		__sync_fetch_and_add(&lost.lives, lives);
		__sync_fetch_and_add(&lost.cpu_ns, cpu_ns);
		return;
	}
	group->at_ns = event->at_ns;
	__sync_fetch_and_add(&group->lives, lives);
	__sync_fetch_and_add(&group->cpu_ns, cpu_ns);
	if (lives) {
		if (event->flags & TUKUR_EXIT_OWN_PEAK) {
			__sync_fetch_and_add(&group->peaks, 1);
			if (group->rss_peak < event->rss_peak)
				group->rss_peak = event->rss_peak;
		}
		return;
	}
	__sync_fetch_and_add(&group->read_bytes, event->read_bytes);
	__sync_fetch_and_add(&group->write_bytes, event->write_bytes);
}

static __always_inline void add_to_own_group(const struct tukur_exit *event,
					     struct task_struct *leader)
{
	struct grouped entry = {};

	entry.start_ns = event->start_ns;
	entry.cpu_ns = event->cpu_ns;
	entry.group.parent_start_ns = leader->real_parent->group_leader->start_boottime;
	entry.group.ppid = event->ppid;
	entry.group.uid = event->uid;
	__builtin_memcpy(entry.group.comm, event->comm, TUKUR_COMM_LEN);
	add_to_group(&entry.group, event, 1, event->cpu_ns);
	bpf_map_update_elem(&grouped, &event->kernel_pid, &entry, BPF_ANY);
}

SEC("tp_btf/sched_process_exit")
int ended(__u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct task_struct *leader = task->group_leader;
	struct tukur_exit event = {};
	struct pids pids;

	/* Called for each thread; do_exit() has set live to 0 in the last one. */
	if (task->signal->live.counter)
		return 0;
	pids = pids_of(leader);
	if (!pids.pid)
		return 0;
	event.kind = TUKUR_EVENT_EXIT;
	event.pid = pids.pid;
	event.ppid = pids.ppid;
	event.ns_pid = pids.ns_pid;
	event.uid = leader->real_cred->euid.val;
	event.gid = leader->real_cred->egid.val;
	FILL_USAGE(&event, leader);
	ADD_EXITED_THREADS(&event, task->signal);
	fill_common(&event, leader);
	fill_peak(&event, task, leader);
	if (!emit(&event, sizeof(event)))
		add_to_own_group(&event, leader);
	return 0;
}

/* Usage in signal_struct, to which __exit_signal() has added the leader as the last thread. */
static __always_inline void fill_final_usage(struct tukur_exit *event,
					     const struct task_struct *leader)
{
	const struct signal_struct *signal = leader->signal;

	ADD_EXITED_THREADS(event, signal);
	/* If it was reaped before it was done exiting, only its own sum has the CPU time since then. */
	if (event->cpu_ns < leader->se.sum_exec_runtime)
		event->cpu_ns = leader->se.sum_exec_runtime;
}

SEC("tp_btf/sched_process_free")
int freed(__u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct tukur_exit event = {};
	struct grouped *entry;

	if (task->pid != task->tgid)
		return 0;
	event.kind = TUKUR_EVENT_FREE;
	fill_final_usage(&event, task);
	fill_common(&event, task);
	entry = bpf_map_lookup_elem(&grouped, &event.kernel_pid);
	if (entry && entry->start_ns == event.start_ns) {
		struct grouped copy = *entry;

		bpf_map_delete_elem(&grouped, &event.kernel_pid);
		add_to_group(&copy.group, &event, 0,
			     event.cpu_ns > copy.cpu_ns ? event.cpu_ns - copy.cpu_ns : 0);
		return 0;
	}
	if (!emit(&event, sizeof(event)))
		__sync_fetch_and_add(&lost.finals, 1);
	return 0;
}

static __always_inline void keep_maxrss(struct task_struct *task)
{
	__u64 *folded =
		bpf_task_storage_get(&maxrss_at_exec, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (folded)
		*folded = task->signal->maxrss;
}

SEC("tp_btf/sched_process_exec")
int executed(__u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct mm_struct *mm = task->mm;
	struct pids pids = pids_of(task);
	struct exec_scratch *scratch;
	__u64 total, length;
	__u32 zero = 0;

	/* The caller is the leader by now: exec() has ended all other threads. */
	if (!MM_AT_EXIT)
		keep_maxrss(task);
	scratch = bpf_map_lookup_elem(&exec_scratch, &zero);
	if (!scratch || !mm || !pids.pid)
		return 0;
	total = mm->arg_end - mm->arg_start;
	length = total > TUKUR_ARGS_MAX ? TUKUR_ARGS_MAX : total;
	__builtin_memset(&scratch->exec, 0, sizeof(scratch->exec));
	/* The pages are present, since exec has just written them; if not, there are no arguments. */
	if (bpf_probe_read_user(scratch->args, length, (void *)mm->arg_start))
		length = 0;
	*(__u64 *)(scratch->args + length) = 0;
	scratch->exec.at_ns = bpf_ktime_get_boot_ns();
	scratch->exec.start_ns = task->group_leader->start_boottime;
	scratch->exec.size = (sizeof(scratch->exec) + length + 7) & ~7U;
	scratch->exec.kind = TUKUR_EVENT_EXEC;
	scratch->exec.pid = pids.pid;
	scratch->exec.ppid = pids.ppid;
	scratch->exec.uid = task->real_cred->euid.val;
	scratch->exec.gid = task->real_cred->egid.val;
	scratch->exec.kernel_pid = task->tgid;
	scratch->exec.args_len = length;
	scratch->exec.args_whole = total;
	scratch->exec.cgroup_id = task->cgroups->dfl_cgrp->kn->id;
	bpf_probe_read_kernel_str(scratch->exec.comm, TUKUR_COMM_LEN, task->comm);
	if (!emit(scratch, (sizeof(scratch->exec) + length + 7) & ~7U))
		__sync_fetch_and_add(&lost.execs, 1);
	return 0;
}

SEC("tp_btf/cgroup_mkdir")
int made_cgroup(__u64 *ctx)
{
	struct cgroup *cgroup = (void *)ctx[0];
	struct cgroup_scratch *scratch;
	__u32 zero = 0;
	long length;

	scratch = bpf_map_lookup_elem(&cgroup_scratch, &zero);
	if (!scratch)
		return 0;
	__builtin_memset(&scratch->cgroup, 0, sizeof(scratch->cgroup));
	length = bpf_probe_read_kernel_str(scratch->path, sizeof(scratch->path), (void *)ctx[1]);
	if (length <= 0 || length > (long)sizeof(scratch->path))
		return 0;
	scratch->cgroup.at_ns = bpf_ktime_get_boot_ns();
	scratch->cgroup.cgroup_id = cgroup->kn->id;
	scratch->cgroup.size = sizeof(*scratch);
	scratch->cgroup.kind = TUKUR_EVENT_CGROUP;
	scratch->cgroup.path_len = length - 1;
	scratch->cgroup.root = cgroup->root->hierarchy_id;
	emit(scratch, sizeof(*scratch));
	return 0;
}
