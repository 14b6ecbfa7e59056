// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/tukur_events: the life of every process, however short, as the
 * events of tukur_record.h.
 *
 * The probes on the kernel's tracepoints stand only while the file is open. They
 * write into a ring that one reader empties. Where the ring has no room, a death
 * is added to the group of its name and parent, so that its CPU time still has a
 * name; where there is no room for another group, it is counted.
 *
 * A death is told twice, as the header says. The numbers of a process are those of
 * the first PID namespace, which is the only one that may read.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitops.h>
#include <linux/build_bug.h>
#include <linux/cgroup.h>
#include <linux/jhash.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/sched/cputime.h>
#include <linux/sched/signal.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <linux/tracepoint.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "cpu.h"
#include "tukur_record.h"
#include "view.h"

#define GROUPS_MOST 1024
#define GROUP_SLOTS 2048 /* twice as many, so that a free one is near */
#define DEATHS 8192

struct group_table {
	u32 used;
	struct tukur_group slots[GROUP_SLOTS]; /* size 0: free */
};

/* The last death told of a PID, by PID modulo DEATHS. */
struct death {
	u64 start_ns;
	u64 cpu_ns;
	u64 parent_start_ns;
	u32 kernel_pid;
	u32 ppid;
	u32 uid;
	bool grouped;
	char comm[TUKUR_COMM_LEN];
};

/* Room to put an EXEC together: too large for the stack. The 8 bytes are for padding. */
struct exec_room {
	struct tukur_exec exec;
	char args[TUKUR_ARGS_MAX + 8];
};

struct cgroup_room {
	struct tukur_cgroup cgroup;
	char path[1024]; /* TRACE_CGROUP_PATH_LEN */
};

union room {
	struct exec_room exec;
	struct cgroup_room cgroup;
};

/*
 * Writers hold the lock; a task is freed in softirq, so with interrupts off. The
 * reader moves tail alone and looks at head without the lock.
 */
static DEFINE_RAW_SPINLOCK(ring_lock);
static struct {
	u8 *bytes;
	u64 size;	/* a power of two */
	u64 head;	/* written, ever */
	u64 tail;	/* read, ever    */
} ring;

/* Under ring_lock, but for the table that is being read. */
static struct group_table *groups, *read_groups;
static struct death *deaths;
static struct tukur_lost lost;
static union room __percpu *rooms;

/* Of the one reader, under its lock. */
static DEFINE_MUTEX(reader_lock);
static unsigned long reader_busy;
static bool header_told;
static u32 group_at;
static struct tukur_lost lost_told;

static_assert(sizeof(struct tukur_exec) % 8 == 0 && sizeof(struct tukur_exit) % 8 == 0 &&
	      sizeof(struct tukur_cgroup) % 8 == 0);

static void copy_in(u64 to, const void *from, u32 size)
{
	u64 at = to & (ring.size - 1);
	u64 first = min_t(u64, size, ring.size - at);

	memcpy(ring.bytes + at, from, first);
	memcpy(ring.bytes, from + first, size - first);
}

static bool put_locked(const void *event, u32 size)
{
	/* Pairs with the release in take_events(): what it read may be written over. */
	if (ring.size - (ring.head - smp_load_acquire(&ring.tail)) < size)
		return false;
	copy_in(ring.head, event, size);
	/* Pairs with the acquire in take_events(): the bytes are there before the head. */
	smp_store_release(&ring.head, ring.head + size);
	return true;
}

static bool same_group(const struct tukur_group *group, const struct death *death)
{
	return group->start_ns == death->parent_start_ns && group->ppid == death->ppid &&
	       !memcmp(group->comm, death->comm, TUKUR_COMM_LEN);
}

static struct tukur_group *group_of(const struct death *death, u64 now)
{
	u32 slot = jhash(death->comm, TUKUR_COMM_LEN, death->ppid) ^ (u32)death->parent_start_ns;
	struct tukur_group *group;

	for (slot &= GROUP_SLOTS - 1;; slot = (slot + 1) & (GROUP_SLOTS - 1)) {
		group = &groups->slots[slot];
		if (!group->size)
			break;
		if (same_group(group, death))
			return group;
	}
	if (groups->used == GROUPS_MOST)
		return NULL;
	groups->used++;
	group->start_ns = death->parent_start_ns;
	group->size = sizeof(*group);
	group->kind = TUKUR_EVENT_GROUP;
	group->first_ns = now;
	group->ppid = death->ppid;
	group->uid = death->uid;
	memcpy(group->comm, death->comm, TUKUR_COMM_LEN);
	return group;
}

/* At the death, lives is 1; when the rest of its CPU time is known, and its I/O, 0. */
static void add_to_group(const struct death *death, const struct tukur_exit *event, u64 lives,
			 u64 cpu_ns)
{
	struct tukur_group *group = group_of(death, event->at_ns);

	if (!group) {
		lost.lives += lives;
		lost.cpu_ns += cpu_ns;
		return;
	}
	group->at_ns = event->at_ns;
	group->lives += lives;
	group->cpu_ns += cpu_ns;
	group->rss_peak = max(group->rss_peak, event->rss_peak);
	if (lives)
		return;
	group->read_bytes += event->read_bytes;
	group->write_bytes += event->write_bytes;
}

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

static void put_ended_threads(struct tukur_exit *event, const struct signal_struct *signal)
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

/* Under RCU. */
static void put_life(struct tukur_exit *event, struct task_struct *leader)
{
	const struct signal_struct *signal = leader->signal;

	event->at_ns = ktime_get_boottime_ns();
	event->start_ns = leader->start_boottime;
	event->size = sizeof(*event);
	event->rss_peak = (u64)signal->maxrss << PAGE_SHIFT;
	event->cgroup_id = cgroup_of(leader);
	event->pid = leader->tgid;
	event->kernel_pid = leader->tgid;
	event->flags = leader->flags & PF_KTHREAD ? TUKUR_TASK_KTHREAD : 0;
	event->status = signal->flags & SIGNAL_GROUP_EXIT ? signal->group_exit_code :
							    leader->exit_code;
	strscpy_pad(event->comm, leader->comm, sizeof(event->comm));
}

static void put_death(struct death *death, const struct tukur_exit *event,
		      struct task_struct *leader)
{
	struct task_struct *parent = rcu_dereference(leader->real_parent);

	death->start_ns = event->start_ns;
	death->cpu_ns = event->cpu_ns;
	death->parent_start_ns = parent->group_leader->start_boottime;
	death->kernel_pid = event->kernel_pid;
	death->ppid = event->ppid;
	death->uid = event->uid;
	memcpy(death->comm, event->comm, TUKUR_COMM_LEN);
}

static bool known(const struct death *death, const struct tukur_exit *event)
{
	return death->start_ns == event->start_ns && death->kernel_pid == event->kernel_pid;
}

static void tell_exit(const struct tukur_exit *event, struct task_struct *leader)
{
	struct death *death = &deaths[event->kernel_pid % DEATHS];
	unsigned long flags;

	raw_spin_lock_irqsave(&ring_lock, flags);
	/* Two threads that end together may both find themselves to be the last one. */
	if (!known(death, event)) {
		put_death(death, event, leader);
		death->grouped = !put_locked(event, sizeof(*event));
		if (death->grouped)
			add_to_group(death, event, 1, event->cpu_ns);
	}
	raw_spin_unlock_irqrestore(&ring_lock, flags);
}

/* In the last thread of a process, on its way out. */
static void ended(struct task_struct *task)
{
	struct task_struct *leader = task->group_leader;
	struct tukur_exit event = { .kind = TUKUR_EVENT_EXIT };
	const struct cred *cred;
	struct pid *pid;

	rcu_read_lock();
	put_ended_threads(&event, task->signal);
	add_usage(&event, leader);
	/* A leader that ended first waits as a zombie, and is not in the sums either. */
	if (task != leader)
		add_usage(&event, task);
	put_life(&event, leader);
	cred = __task_cred(leader);
	event.uid = from_kuid_munged(&init_user_ns, cred->euid);
	event.gid = from_kgid_munged(&init_user_ns, cred->egid);
	event.ppid = rcu_dereference(leader->real_parent)->tgid;
	pid = task_tgid(leader);
	event.ns_pid = pid ? pid->numbers[pid->level].nr : 0;
	tell_exit(&event, leader);
	rcu_read_unlock();
}

#ifdef TUKUR_EXIT_TELLS_GROUP
static void on_exit(void *data, struct task_struct *task, bool group_dead)
{
	if (group_dead)
		ended(task);
}
#else
static void on_exit(void *data, struct task_struct *task)
{
	if (!atomic_read(&task->signal->live))
		ended(task);
}
#endif

static void tell_free(const struct tukur_exit *event)
{
	struct death *death = &deaths[event->kernel_pid % DEATHS];
	unsigned long flags;

	raw_spin_lock_irqsave(&ring_lock, flags);
	if (known(death, event) && death->grouped)
		add_to_group(death, event, 0,
			     event->cpu_ns > death->cpu_ns ? event->cpu_ns - death->cpu_ns : 0);
	else if (!put_locked(event, sizeof(*event)))
		lost.finals++;
	raw_spin_unlock_irqrestore(&ring_lock, flags);
}

/* Nobody can find the task any more, and the last one to look at it is us. */
static void on_free(void *data, struct task_struct *task)
{
	struct tukur_exit event = { .kind = TUKUR_EVENT_FREE };

	if (task->pid != task->tgid)
		return;
	rcu_read_lock();
	put_ended_threads(&event, task->signal);
	/*
	 * The parent may have reaped it while it was still on its way out: what it
	 * used on that way is in its own sum alone.
	 */
	event.cpu_ns = max_t(u64, event.cpu_ns, task->se.sum_exec_runtime);
	put_life(&event, task);
	rcu_read_unlock();
	tell_free(&event);
}

static bool tell(const void *event, u32 size)
{
	unsigned long flags;
	bool told;

	raw_spin_lock_irqsave(&ring_lock, flags);
	told = put_locked(event, size);
	raw_spin_unlock_irqrestore(&ring_lock, flags);
	return told;
}

/* Bytes that could be read without sleeping: all, for the kernel has just written them. */
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

static void put_exec(struct exec_room *room, struct task_struct *task, struct mm_struct *mm)
{
	struct tukur_exec *exec = &room->exec;
	unsigned long whole = mm->arg_end - mm->arg_start;
	const struct cred *cred = current_cred();

	memset(exec, 0, sizeof(*exec));
	exec->args_whole = min_t(unsigned long, whole, U32_MAX);
	exec->args_len = copy_args(room->args, mm->arg_start,
				   min_t(unsigned long, whole, TUKUR_ARGS_MAX));
	memset(room->args + exec->args_len, 0, 8);
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

/* In the process that became another program. */
static void on_exec(void *data, struct task_struct *task, pid_t old_pid,
		    struct linux_binprm *bprm)
{
	struct exec_room *room;
	unsigned long flags;

	if (!task->mm)
		return;
	room = &get_cpu_ptr(rooms)->exec;
	put_exec(room, task, task->mm);
	if (!tell(room, room->exec.size)) {
		raw_spin_lock_irqsave(&ring_lock, flags);
		lost.execs++;
		raw_spin_unlock_irqrestore(&ring_lock, flags);
	}
	put_cpu_ptr(rooms);
}

#ifdef CONFIG_CGROUPS
static void on_cgroup_mkdir(void *data, struct cgroup *cgroup, const char *path)
{
	struct cgroup_room *room = &get_cpu_ptr(rooms)->cgroup;
	u32 length = strnlen(path, sizeof(room->path));

	memset(room, 0, sizeof(*room));
	memcpy(room->path, path, length);
	room->cgroup.at_ns = ktime_get_boottime_ns();
	room->cgroup.cgroup_id = cgroup_id(cgroup);
	room->cgroup.size = sizeof(room->cgroup) + ALIGN(length, 8);
	room->cgroup.kind = TUKUR_EVENT_CGROUP;
	room->cgroup.path_len = length;
	room->cgroup.root = cgroup->root->hierarchy_id;
	tell(room, room->cgroup.size);
	put_cpu_ptr(rooms);
}
#endif

/* Tracepoints are not exported by name to modules, but can be looked for. */
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

static void look_at(struct tracepoint *point, void *unused)
{
	int at;

	for (at = 0; at < ARRAY_SIZE(probes); at++)
		if (!strcmp(point->name, probes[at].name))
			probes[at].point = point;
}

void tukur_events_init(void)
{
	for_each_kernel_tracepoint(look_at, NULL);
}

static void remove_probes(int count)
{
	while (count--)
		tracepoint_probe_unregister(probes[count].point, probes[count].call, NULL);
	/* Afterwards no probe runs on any CPU. */
	tracepoint_synchronize_unregister();
}

static int add_probes(void)
{
	int at, err;

	for (at = 0; at < ARRAY_SIZE(probes); at++) {
		err = -ENODEV;
		if (probes[at].point)
			err = tracepoint_probe_register(probes[at].point, probes[at].call, NULL);
		if (err) {
			pr_err("tracepoint %s: error %d\n", probes[at].name, err);
			remove_probes(at);
			return err;
		}
	}
	return 0;
}

static void free_events(void)
{
	vfree(ring.bytes);
	vfree(groups);
	vfree(read_groups);
	vfree(deaths);
	free_percpu(rooms);
	ring.bytes = NULL;
	groups = NULL;
	read_groups = NULL;
	deaths = NULL;
	rooms = NULL;
}

static int alloc_events(void)
{
	ring.size = (u64)tukur_events_kib << 10;
	ring.bytes = vmalloc(ring.size);
	groups = vzalloc(sizeof(*groups));
	read_groups = vzalloc(sizeof(*read_groups));
	deaths = vzalloc(array_size(DEATHS, sizeof(*deaths)));
	rooms = alloc_percpu(union room);
	if (!ring.bytes || !groups || !read_groups || !deaths || !rooms) {
		free_events();
		return -ENOMEM;
	}
	ring.head = 0;
	ring.tail = 0;
	group_at = 0;
	header_told = false;
	memset(&lost, 0, sizeof(lost));
	memset(&lost_told, 0, sizeof(lost_told));
	return 0;
}

static int events_open(struct inode *inode, struct file *file)
{
	int err;

	/* No processes of another namespace for those who are in one. */
	if (task_active_pid_ns(current) != &init_pid_ns)
		return -EPERM;
	if (!tukur_trusted(file->f_cred, tukur_gid))
		return -EACCES;
	if (test_and_set_bit_lock(0, &reader_busy))
		return -EBUSY;
	err = alloc_events();
	if (!err) {
		err = add_probes();
		if (err)
			free_events();
	}
	if (err) {
		clear_bit_unlock(0, &reader_busy);
		return err;
	}
	return stream_open(inode, file);
}

static int events_release(struct inode *inode, struct file *file)
{
	remove_probes(ARRAY_SIZE(probes));
	free_events();
	clear_bit_unlock(0, &reader_busy);
	return 0;
}

/* Where the reader's bytes go. */
struct sink {
	char __user *to;
	size_t room;
	ssize_t done;
};

/* 1: written, 0: no room, or an error. */
static int give(struct sink *sink, const void *from, size_t size)
{
	if (sink->room - sink->done < size)
		return 0;
	if (copy_to_user(sink->to + sink->done, from, size))
		return -EFAULT;
	sink->done += size;
	return 1;
}

/* Events are aligned to 8, so that a size is never torn apart at the ring's end. */
static u32 event_size(u64 at)
{
	return *(u32 *)(ring.bytes + ((at + offsetof(struct tukur_event, size)) & (ring.size - 1)));
}

/* Bytes of whole events from @tail on, in at most @room. */
static u64 whole_events(u64 tail, u64 head, u64 room)
{
	u64 at = tail;

	while (at != head && at + event_size(at) - tail <= room)
		at += event_size(at);
	return at - tail;
}

/* 1: all there was, 0: no room for the next one, or an error. */
static int take_events(struct sink *sink)
{
	/* Pairs with the release in put_locked(): the bytes up to the head are there. */
	u64 head = smp_load_acquire(&ring.head);
	u64 tail = ring.tail;
	u64 bytes = whole_events(tail, head, sink->room - sink->done);
	u64 at = tail & (ring.size - 1);
	u64 first = min(bytes, ring.size - at);

	if (copy_to_user(sink->to + sink->done, ring.bytes + at, first) ||
	    copy_to_user(sink->to + sink->done + first, ring.bytes, bytes - first))
		return -EFAULT;
	sink->done += bytes;
	/* Pairs with the acquire in put_locked(): only what was copied is given up. */
	smp_store_release(&ring.tail, tail + bytes);
	return tail + bytes == head;
}

/* Takes away what has been added up, unless the last of it was not all read yet. */
static void turn_over(void)
{
	unsigned long flags;

	if (read_groups->used || lost_told.size)
		return;
	raw_spin_lock_irqsave(&ring_lock, flags);
	swap(groups, read_groups);
	if (lost.execs || lost.lives || lost.cpu_ns || lost.finals) {
		lost_told = lost;
		lost_told.size = sizeof(lost_told);
		memset(&lost, 0, sizeof(lost));
	}
	raw_spin_unlock_irqrestore(&ring_lock, flags);
	lost_told.kind = TUKUR_EVENT_LOST;
	lost_told.at_ns = ktime_get_boottime_ns();
	group_at = 0;
}

static int take_groups(struct sink *sink)
{
	struct tukur_group *group;
	int given;

	if (!read_groups->used)
		return 1;
	for (; group_at < GROUP_SLOTS; group_at++) {
		group = &read_groups->slots[group_at];
		if (!group->size)
			continue;
		given = give(sink, group, sizeof(*group));
		if (given <= 0)
			return given;
		group->size = 0;
	}
	memset(read_groups, 0, sizeof(*read_groups));
	return 1;
}

static int take_lost(struct sink *sink)
{
	int given;

	if (!lost_told.size)
		return 1;
	given = give(sink, &lost_told, sizeof(lost_told));
	if (given > 0)
		memset(&lost_told, 0, sizeof(lost_told));
	return given;
}

static int take_header(struct sink *sink)
{
	static const struct tukur_stream header = {
		.magic = TUKUR_STREAM_MAGIC,
		.version = TUKUR_EVENT_VERSION,
	};
	int given;

	if (header_told)
		return 1;
	given = give(sink, &header, sizeof(header));
	header_told = given > 0;
	return given;
}

static int take_all(struct sink *sink)
{
	int taken = take_header(sink);

	if (taken > 0)
		taken = take_events(sink);
	if (taken <= 0)
		return taken;
	turn_over();
	taken = take_groups(sink);
	return taken > 0 ? take_lost(sink) : taken;
}

/* Does not wait: 0 bytes when nothing has happened since the last reading. */
static ssize_t events_read(struct file *file, char __user *to, size_t room, loff_t *position)
{
	struct sink sink = { .to = to, .room = room };
	int taken;

	if (mutex_lock_interruptible(&reader_lock))
		return -ERESTARTSYS;
	taken = take_all(&sink);
	mutex_unlock(&reader_lock);
	if (sink.done)
		return sink.done;
	/* There is an event, and no room for one. */
	return taken < 0 ? taken : taken ? 0 : -EINVAL;
}

const struct proc_ops tukur_events_ops = {
	.proc_open = events_open,
	.proc_read = events_read,
	.proc_lseek = noop_llseek,
	.proc_release = events_release,
};
