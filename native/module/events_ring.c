// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ring between the probes and the reader of /proc/tukur_events.
 *
 * A death that does not fit into the ring is added to the group of its name and
 * parent, so that its CPU time can still be attributed to a name. If the table of groups
 * is full too, it is only counted.
 */
#include <linux/build_bug.h>
#include <linux/jhash.h>
#include <linux/ktime.h>
#include <linux/minmax.h>
#include <linux/overflow.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "cpu.h"
#include "events.h"

#define MAX_GROUPS 1024
#define GROUP_SLOTS 2048 /* twice as many, which keeps probing short */
#define DEATHS 8192

struct group_table {
	u32 used;
	struct tukur_group slots[GROUP_SLOTS]; /* size 0: free */
};

/* The last reported death of a PID, indexed by PID modulo DEATHS. */
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

/* The last exec of a PID, indexed likewise. */
struct image {
	u64 start_ns;
	unsigned long maxrss;
	u32 kernel_pid;
};

/*
 * Writers hold the lock, with interrupts off because a task is freed in softirq.
 * Only the reader advances tail; it reads head without the lock.
 */
static DEFINE_RAW_SPINLOCK(ring_lock);
static struct {
	u8 *bytes;
	u64 size; /* a power of two */
	u64 head; /* bytes written since the open */
	u64 tail; /* bytes read since the open */
} ring;

/* Under ring_lock, except for read_groups, which belongs to the reader. */
static struct group_table *groups, *read_groups;
static struct death *deaths;
static struct image *images;
static struct tukur_lost lost;

/* Only for the reader: its position in read_groups, and the counts it is about to copy. */
static u32 read_slot;
static struct tukur_lost read_lost;

static_assert(sizeof(struct tukur_exec) % 8 == 0 && sizeof(struct tukur_exit) % 8 == 0 &&
	      sizeof(struct tukur_cgroup) % 8 == 0);

void tukur_ring_free(void)
{
	vfree(ring.bytes);
	vfree(groups);
	vfree(read_groups);
	vfree(deaths);
	vfree(images);
	ring.bytes = NULL;
	groups = NULL;
	read_groups = NULL;
	deaths = NULL;
	images = NULL;
}

int tukur_ring_alloc(void)
{
	ring.size = (u64)tukur_events_kib << 10;
	ring.bytes = vmalloc(ring.size);
	groups = vzalloc(sizeof(*groups));
	read_groups = vzalloc(sizeof(*read_groups));
	deaths = vzalloc(array_size(DEATHS, sizeof(*deaths)));
	images = vzalloc(array_size(DEATHS, sizeof(*images)));
	if (!ring.bytes || !groups || !read_groups || !deaths || !images) {
		tukur_ring_free();
		return -ENOMEM;
	}
	ring.head = 0;
	ring.tail = 0;
	read_slot = 0;
	memset(&lost, 0, sizeof(lost));
	memset(&read_lost, 0, sizeof(read_lost));
	return 0;
}

static void copy_in(u64 to, const void *from, u32 size)
{
	u64 offset = to & (ring.size - 1);
	u64 first = min_t(u64, size, ring.size - offset);

	memcpy(ring.bytes + offset, from, first);
	memcpy(ring.bytes, from + first, size - first);
}

static bool write_locked(const void *event, u32 size)
{
	/* Pairs with the release in read_events(): what was read may be overwritten. */
	if (ring.size - (ring.head - smp_load_acquire(&ring.tail)) < size)
		return false;
	copy_in(ring.head, event, size);
	/* Pairs with the acquire in read_events(): the bytes are written before the head. */
	smp_store_release(&ring.head, ring.head + size);
	return true;
}

static bool same_group(const struct tukur_group *group, const struct death *death)
{
	return group->start_ns == death->parent_start_ns && group->ppid == death->ppid &&
	       !memcmp(group->comm, death->comm, TUKUR_COMM_LEN);
}

static struct tukur_group *find_or_add_group(const struct death *death, u64 now)
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
	if (groups->used == MAX_GROUPS)
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

/* EXIT passes 1 life; FREE passes 0, with the remaining CPU time and the I/O. */
static void add_to_group(const struct death *death, const struct tukur_exit *event, u64 lives,
			 u64 cpu_ns)
{
	struct tukur_group *group = find_or_add_group(death, event->at_ns);

	if (!group) {
		lost.lives += lives;
		lost.cpu_ns += cpu_ns;
		return;
	}
	group->at_ns = event->at_ns;
	group->lives += lives;
	group->cpu_ns += cpu_ns;
	if (lives && event->flags & TUKUR_EXIT_OWN_PEAK) {
		group->rss_peak = max(group->rss_peak, event->rss_peak);
		group->peaks++;
	}
	if (lives)
		return;
	group->read_bytes += event->read_bytes;
	group->write_bytes += event->write_bytes;
}

static void fill_death(struct death *death, const struct tukur_exit *event, u64 parent_start_ns)
{
	death->start_ns = event->start_ns;
	death->cpu_ns = event->cpu_ns;
	death->parent_start_ns = parent_start_ns;
	death->kernel_pid = event->kernel_pid;
	death->ppid = event->ppid;
	death->uid = event->uid;
	memcpy(death->comm, event->comm, TUKUR_COMM_LEN);
}

static bool same_life(const struct death *death, const struct tukur_exit *event)
{
	return death->start_ns == event->start_ns && death->kernel_pid == event->kernel_pid;
}

void tukur_emit_exit(const struct tukur_exit *event, u64 parent_start_ns)
{
	struct death *death = &deaths[event->kernel_pid % DEATHS];
	unsigned long flags;

	raw_spin_lock_irqsave(&ring_lock, flags);
	/* Two threads that exit at the same time may both find that they are the last. */
	if (!same_life(death, event)) {
		fill_death(death, event, parent_start_ns);
		death->grouped = !write_locked(event, sizeof(*event));
		if (death->grouped)
			add_to_group(death, event, 1, event->cpu_ns);
	}
	raw_spin_unlock_irqrestore(&ring_lock, flags);
}

void tukur_emit_free(const struct tukur_exit *event)
{
	struct death *death = &deaths[event->kernel_pid % DEATHS];
	unsigned long flags;

	raw_spin_lock_irqsave(&ring_lock, flags);
	if (same_life(death, event) && death->grouped)
		add_to_group(death, event, 0,
			     event->cpu_ns > death->cpu_ns ? event->cpu_ns - death->cpu_ns : 0);
	else if (!write_locked(event, sizeof(*event)))
		lost.finals++;
	raw_spin_unlock_irqrestore(&ring_lock, flags);
}

unsigned long tukur_maxrss_at_exec(const struct tukur_exit *event)
{
	const struct image *image = &images[event->kernel_pid % DEATHS];
	unsigned long maxrss = ULONG_MAX, flags;

	raw_spin_lock_irqsave(&ring_lock, flags);
	if (image->start_ns == event->start_ns && image->kernel_pid == event->kernel_pid)
		maxrss = image->maxrss;
	raw_spin_unlock_irqrestore(&ring_lock, flags);
	return maxrss;
}

void tukur_emit_exec(const struct tukur_exec *event, unsigned long maxrss)
{
	struct image *image = &images[event->kernel_pid % DEATHS];
	unsigned long flags;

	raw_spin_lock_irqsave(&ring_lock, flags);
	image->start_ns = event->start_ns;
	image->kernel_pid = event->kernel_pid;
	image->maxrss = maxrss;
	if (!write_locked(event, event->size))
		lost.execs++;
	raw_spin_unlock_irqrestore(&ring_lock, flags);
}

/* One that does not fit is not counted: the reader finds the cgroup in the mounted hierarchy. */
void tukur_emit_cgroup(const struct tukur_cgroup *event)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&ring_lock, flags);
	write_locked(event, event->size);
	raw_spin_unlock_irqrestore(&ring_lock, flags);
}

int tukur_copy_out(struct tukur_sink *sink, const void *from, size_t size)
{
	if (sink->capacity - sink->done < size)
		return 0;
	if (copy_to_user(sink->to + sink->done, from, size))
		return -EFAULT;
	sink->done += size;
	return 1;
}

/* Events are aligned to 8 bytes, so a size never wraps around the end of the ring. */
static u32 event_size(u64 offset)
{
	offset += offsetof(struct tukur_event, size);
	return *(u32 *)(ring.bytes + (offset & (ring.size - 1)));
}

/* Bytes of the complete events from @tail on that fit into @capacity. */
static u64 complete_events(u64 tail, u64 head, u64 capacity)
{
	u64 end = tail;

	while (end != head && end + event_size(end) - tail <= capacity)
		end += event_size(end);
	return end - tail;
}

static int read_events(struct tukur_sink *sink)
{
	/* Pairs with the release in write_locked(): the bytes up to the head are written. */
	u64 head = smp_load_acquire(&ring.head);
	u64 tail = ring.tail;
	u64 bytes = complete_events(tail, head, sink->capacity - sink->done);
	u64 offset = tail & (ring.size - 1);
	u64 first = min(bytes, ring.size - offset);

	if (copy_to_user(sink->to + sink->done, ring.bytes + offset, first) ||
	    copy_to_user(sink->to + sink->done + first, ring.bytes, bytes - first))
		return -EFAULT;
	sink->done += bytes;
	/* Pairs with the acquire in write_locked(): only what was copied is released. */
	smp_store_release(&ring.tail, tail + bytes);
	return tail + bytes == head;
}

/*
 * Gives the reader the groups and counts of the writers, and the writers empty ones.
 * Does nothing while the reader has not copied all of the previous ones.
 */
static void swap_tables(void)
{
	unsigned long flags;

	if (read_groups->used || read_lost.size)
		return;
	raw_spin_lock_irqsave(&ring_lock, flags);
	swap(groups, read_groups);
	if (lost.execs || lost.lives || lost.cpu_ns || lost.finals) {
		read_lost = lost;
		read_lost.size = sizeof(read_lost);
		memset(&lost, 0, sizeof(lost));
	}
	raw_spin_unlock_irqrestore(&ring_lock, flags);
	read_lost.kind = TUKUR_EVENT_LOST;
	read_lost.at_ns = ktime_get_boottime_ns();
	read_slot = 0;
}

static int copy_groups(struct tukur_sink *sink)
{
	struct tukur_group *group;
	int copied;

	if (!read_groups->used)
		return 1;
	for (; read_slot < GROUP_SLOTS; read_slot++) {
		group = &read_groups->slots[read_slot];
		if (!group->size)
			continue;
		copied = tukur_copy_out(sink, group, sizeof(*group));
		if (copied <= 0)
			return copied;
		group->size = 0;
	}
	memset(read_groups, 0, sizeof(*read_groups));
	return 1;
}

static int copy_lost(struct tukur_sink *sink)
{
	int copied;

	if (!read_lost.size)
		return 1;
	copied = tukur_copy_out(sink, &read_lost, sizeof(read_lost));
	if (copied > 0)
		memset(&read_lost, 0, sizeof(read_lost));
	return copied;
}

int tukur_ring_read(struct tukur_sink *sink)
{
	int complete = read_events(sink);

	if (complete <= 0)
		return complete;
	swap_tables();
	complete = copy_groups(sink);
	return complete > 0 ? copy_lost(sink) : complete;
}
