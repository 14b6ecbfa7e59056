// SPDX-License-Identifier: GPL-2.0-only
/*
 * lives.bpf.c - the life of every process, however short: the events of
 * tukur_record.h, written into a ring as they happen.
 *
 * A death is told twice. When the last thread ends (EXIT), who it was and whose
 * child is known, but what it used since the last tick is not counted yet: of a
 * life of a millisecond that is nearly all. When it was reaped (FREE), all is
 * counted, but its parent may be gone and it has no numbers in its namespaces
 * any more. The reader puts the two together.
 *
 * Where the ring has no room, a death is added to the group of its name and
 * parent, so that its CPU time still has a name; where there is no room for
 * another group, it is counted.
 */
#include "kernel.h"

#include "../include/tukur_record.h"
#include "pids.h"
#include "usage.h"

char LICENSE[] SEC("license") = "GPL";

/* Set by the reader before the program is loaded. */
const volatile struct {
	__u32 page_shift;
	__u32 pid_ns; /* inode number of the reader's PID namespace; 0: the first one */
} settings = { 12, 0 };

/* What there was no room for, since the program was loaded. */
struct {
	__u64 execs;
	__u64 lives;
	__u64 cpu_ns;
	__u64 finals;
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

/* A death that was added to a group, by the kernel's number: its FREE belongs there too. */
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

/* Room to put together an EXEC: too large for the stack. The 8 bytes are for padding. */
struct exec_room {
	struct tukur_exec exec;
	char args[TUKUR_ARGS_MAX + 8];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct exec_room);
} exec_room SEC_MAPS;

struct cgroup_room {
	struct tukur_cgroup cgroup;
	char path[1024]; /* TRACE_CGROUP_PATH_LEN */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cgroup_room);
} cgroup_room SEC_MAPS;

static __always_inline bool tell(void *event, __u64 size)
{
	/* Nobody sleeps on the ring: the reader comes by itself. */
	return bpf_ringbuf_output(&ring, event, size, BPF_RB_NO_WAKEUP) == 0;
}

/* How deep the reader's PID namespace lies on the way to that of `pid`; -1: not on it. */
static __always_inline int reader_level(char *pid, unsigned int deepest)
{
	for (unsigned int level = 0; level <= MAX_PID_LEVEL; level++) {
		struct number number;
		__u32 inum = 0;

		if (level > deepest)
			break;
		number = number_at(pid, level);
		bpf_probe_read_kernel(&inum, sizeof(inum),
				      (char *)number.ns + core_field_offset(((struct pid_namespace *)0)->ns.inum));
		if (inum == settings.pid_ns)
			return level;
	}
	return -1;
}

/* For the reader; pid 0: the process is not in its namespace. */
struct numbers {
	__u32 pid;
	__u32 ppid;
	__u32 ns_pid;
};

static __always_inline struct numbers numbers_of(struct task_struct *task)
{
	struct numbers found = { task->tgid, task->real_parent->tgid, task->tgid };
	char *pid = plain(&task->signal->pids[PIDTYPE_TGID]);
	unsigned int deepest = task->signal->pids[PIDTYPE_TGID]->level;
	struct number own, parent;
	int level = 0;

	if (settings.pid_ns) {
		level = reader_level(pid, deepest);
		if (level < 0) {
			found.pid = 0;
			return found;
		}
		own = number_at(pid, level);
		parent = number_at(plain(&task->real_parent->signal->pids[PIDTYPE_TGID]), level);
		found.pid = own.nr;
		found.ppid = parent.ns == own.ns ? parent.nr : 0;
	}
	if (deepest != (unsigned int)level)
		found.ns_pid = number_at(pid, deepest).nr;
	return found;
}

static __always_inline void put_status(struct tukur_exit *event, const struct task_struct *leader)
{
	const struct signal_struct *signal = leader->signal;

	event->status = signal->flags & SIGNAL_GROUP_EXIT ? signal->group_exit_code : leader->exit_code;
}

/* Those of its process, all of whose other threads have been counted in signal_struct. */
static __always_inline void put_common(struct tukur_exit *event, struct task_struct *leader)
{
	event->at_ns = bpf_ktime_get_boot_ns();
	event->start_ns = leader->start_boottime;
	event->size = sizeof(*event);
	event->rss_peak = (__u64)leader->signal->maxrss << settings.page_shift;
	event->cgroup_id = leader->cgroups->dfl_cgrp->kn->id;
	event->kernel_pid = leader->tgid;
	event->flags = leader->flags & PF_KTHREAD ? TUKUR_TASK_KTHREAD : 0;
	put_status(event, leader);
	bpf_probe_read_kernel_str(event->comm, TUKUR_COMM_LEN, leader->comm);
}

static __always_inline void add_to_group(const struct group_key *key, const struct tukur_exit *event,
					 __u64 lives, __u64 cpu_ns)
{
	struct tukur_group fresh = {}, *group;

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
	if (group->rss_peak < event->rss_peak)
		group->rss_peak = event->rss_peak;
	if (lives)
		return;
	__sync_fetch_and_add(&group->read_bytes, event->read_bytes);
	__sync_fetch_and_add(&group->write_bytes, event->write_bytes);
}

static __always_inline void group_it(const struct tukur_exit *event, struct task_struct *leader)
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
	struct numbers numbers;

	/* Each thread comes by; the last one has found itself to be so (do_exit). */
	if (task->signal->live.counter)
		return 0;
	numbers = numbers_of(leader);
	if (!numbers.pid)
		return 0;
	event.kind = TUKUR_EVENT_EXIT;
	event.pid = numbers.pid;
	event.ppid = numbers.ppid;
	event.ns_pid = numbers.ns_pid;
	event.uid = leader->real_cred->euid.val;
	event.gid = leader->real_cred->egid.val;
	PUT_USAGE(&event, leader);
	ADD_ENDED_THREADS(&event, task->signal);
	put_common(&event, leader);
	if (!tell(&event, sizeof(event)))
		group_it(&event, leader);
	return 0;
}

/* What signal_struct has when the leader, the last of all, was added to it by __exit_signal(). */
static __always_inline void put_final_usage(struct tukur_exit *event, const struct task_struct *leader)
{
	const struct signal_struct *signal = leader->signal;

	ADD_ENDED_THREADS(event, signal);
	/* The parent may have reaped it while it was still on its way out: that is in its own sum alone. */
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
	put_final_usage(&event, task);
	put_common(&event, task);
	entry = bpf_map_lookup_elem(&grouped, &event.kernel_pid);
	if (entry && entry->start_ns == event.start_ns) {
		struct grouped known = *entry;

		bpf_map_delete_elem(&grouped, &event.kernel_pid);
		add_to_group(&known.group, &event, 0,
			     event.cpu_ns > known.cpu_ns ? event.cpu_ns - known.cpu_ns : 0);
		return 0;
	}
	if (!tell(&event, sizeof(event)))
		__sync_fetch_and_add(&lost.finals, 1);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int executed(__u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct mm_struct *mm = task->mm;
	struct numbers numbers = numbers_of(task);
	struct exec_room *room;
	__u64 whole, held;
	__u32 zero = 0;

	room = bpf_map_lookup_elem(&exec_room, &zero);
	if (!room || !mm || !numbers.pid)
		return 0;
	whole = mm->arg_end - mm->arg_start;
	held = whole > TUKUR_ARGS_MAX ? TUKUR_ARGS_MAX : whole;
	__builtin_memset(&room->exec, 0, sizeof(room->exec));
	/* The pages are there, for the kernel has just written them; where not, it is 0 bytes. */
	if (bpf_probe_read_user(room->args, held, (void *)mm->arg_start))
		held = 0;
	*(__u64 *)(room->args + held) = 0;
	room->exec.at_ns = bpf_ktime_get_boot_ns();
	room->exec.start_ns = task->group_leader->start_boottime;
	room->exec.size = (sizeof(room->exec) + held + 7) & ~7U;
	room->exec.kind = TUKUR_EVENT_EXEC;
	room->exec.pid = numbers.pid;
	room->exec.ppid = numbers.ppid;
	room->exec.uid = task->real_cred->euid.val;
	room->exec.gid = task->real_cred->egid.val;
	room->exec.kernel_pid = task->tgid;
	room->exec.args_len = held;
	room->exec.args_whole = whole;
	room->exec.cgroup_id = task->cgroups->dfl_cgrp->kn->id;
	bpf_probe_read_kernel_str(room->exec.comm, TUKUR_COMM_LEN, task->comm);
	if (!tell(room, (sizeof(room->exec) + held + 7) & ~7U))
		__sync_fetch_and_add(&lost.execs, 1);
	return 0;
}

SEC("tp_btf/cgroup_mkdir")
int made_cgroup(__u64 *ctx)
{
	struct cgroup *cgroup = (void *)ctx[0];
	struct cgroup_room *room;
	__u32 zero = 0;
	long length;

	room = bpf_map_lookup_elem(&cgroup_room, &zero);
	if (!room)
		return 0;
	__builtin_memset(&room->cgroup, 0, sizeof(room->cgroup));
	length = bpf_probe_read_kernel_str(room->path, sizeof(room->path), (void *)ctx[1]);
	if (length <= 0 || length > (long)sizeof(room->path))
		return 0;
	room->cgroup.at_ns = bpf_ktime_get_boot_ns();
	room->cgroup.cgroup_id = cgroup->kn->id;
	room->cgroup.size = sizeof(*room);
	room->cgroup.kind = TUKUR_EVENT_CGROUP;
	room->cgroup.path_len = length - 1;
	room->cgroup.root = cgroup->root->hierarchy_id;
	tell(room, sizeof(*room));
	return 0;
}
