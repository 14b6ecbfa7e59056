// SPDX-License-Identifier: GPL-2.0-only
/*
 * walk.bpf.c - every process of the reader's PID namespace as a tukur_task, in
 * memory that the reader maps. For kernels from 6.7 on, which have iterators that
 * a program may call; before, tasks.bpf.c does the same.
 *
 * The reader runs `walk` once for a reading. Each process keeps its record in
 * `rows` for as long as it lives; only those of processes that have run are
 * written again. Which they are is in `changes`, and the order of all in `places`.
 * A record is overwritten by the next walk: the reader copies what it keeps.
 *
 * Most tasks sleep through most readings, and a reading a second finds nothing of
 * them in the CPU's caches: what a walk costs is the cache lines that it touches,
 * four for a sleeping process. As in tasks.bpf.c, one in REFRESH is read again all
 * the same in what others can change.
 *
 * The kernel's list of processes is in the order of their creation: those of the
 * last walk come again in the same order, without those that have ended, and
 * before the new ones. So the two lists are merged, with no search.
 *
 * How it has to be written to be accepted:
 *  - What is done for one task is in global functions, which the verifier checks
 *    once, and not for every state of the loop.
 *  - Their state is in memory, one variable each, and none of it static: LLVM
 *    splits a static structure, and the kernel refuses the types that are left.
 *  - A pointer passed through memory has lost its type, which bpf_rdonly_cast()
 *    gives back. RCU keeps what it points to: the caller holds the lock.
 */
#include "record.h"

char LICENSE[] SEC("license") = "GPL";

/* Once for all processes; the kernel's enumerator. */
#define BPF_TASK_ITER_ALL_PROCS 0
#define BPF_TYPE_ID_TARGET 1
/* Both larger than any machine's: a loop needs a bound. */
#define MAX_THREADS (1 << 22)
#define MAX_PLACES (1 << 22)
#define NOWHERE (~0U)

struct bpf_iter_task {
	__u64 opaque[3];
};

struct bpf_iter_num {
	__u64 opaque[1];
};

extern int bpf_iter_task_new(struct bpf_iter_task *it, struct task_struct *task, unsigned int flags)
	__ksym;
extern struct task_struct *bpf_iter_task_next(struct bpf_iter_task *it) __ksym;
extern void bpf_iter_task_destroy(struct bpf_iter_task *it) __ksym;
extern int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end) __ksym;
extern int *bpf_iter_num_next(struct bpf_iter_num *it) __ksym;
extern void bpf_iter_num_destroy(struct bpf_iter_num *it) __ksym;
extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;
extern void *bpf_rdonly_cast(const void *pointer, __u32 type) __ksym;

#define AS_TASK(address)                                                                       \
	((struct task_struct *)bpf_rdonly_cast((void *)(address),                              \
					       __builtin_btf_type_id(*(struct task_struct *)0, \
								     BPF_TYPE_ID_TARGET)))

/* What the reader learns of a walk: the program's context. */
struct walk_result {
	__u32 processes; /* how many there are; more than there are rows: read again with more */
	__u32 changes;   /* entries of `changes` */
	__u32 moved;     /* not 0: other processes than before, `changes` alone does not do */
	__u32 unordered; /* not 0: the order is not that of the PIDs */
};

/* The reader sets the number of entries of all three: processes that there is room for. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tukur_task);
} rows SEC_MAPS;

/*
 * The processes in the kernel's order. Those behind the last one are spare; the
 * rows of all together are all the rows that were ever used, each once.
 */
struct place {
	__u64 task;     /* address of the leader */
	__u64 activity; /* a hash, see below; 0: to be written in any case */
	__u32 row;
	__u32 number; /* its PID for the reader, with SEVERAL */
};
#define SEVERAL (1U << 31) /* the process has several threads */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct place);
} places SEC_MAPS;

struct change {
	__u64 place;
	__u64 row;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct change);
} changes SEC_MAPS;

/* Between walks: processes of the last one, entries of `places` that have a row. */
__u32 before;
__u32 placed;
__u32 refreshed;

/* Of this walk. */
__u32 count;
__u32 next_before; /* where in the last walk's order the next process is, unless some ended */
__u32 changed;
__u32 moved;
__u32 unordered;
__u32 last_number;
__u32 reader_level;
__u64 reader_namespace;

/* Of one process. */
__u64 visited; /* its leader */
__u32 number;  /* its PID for the reader; 0: not known yet */
__u64 speaker; /* who says what it is: the leader, or once that has ended another thread */
__u64 activity;
__u32 row_of_visited;
__u64 address; /* see as_number() */

static __always_inline __u64 as_number(const void *pointer)
{
	*(volatile __u64 *)&address = (__u64)pointer;
	return *(volatile __u64 *)&address;
}

static __always_inline __u64 thread_after(const struct task_struct *thread)
{
	return as_number(thread->thread_node.next) -
	       core_field_offset(((struct task_struct *)0)->thread_node);
}

/* Where thread_after() ends: the head of the list, as if it were in a task. */
static __always_inline __u64 end_of_threads(const struct task_struct *leader)
{
	return as_number(leader->signal) +
	       core_field_offset(((struct signal_struct *)0)->thread_head) -
	       core_field_offset(((struct task_struct *)0)->thread_node);
}

/*
 * Changes when the only thread of a process has run, or its state or parent has changed. It can
 * only get other threads, die or change its program by running. 0: it has never run, or runs now,
 * so that it uses more than the scheduler has counted until the next tick.
 */
static __always_inline __u64 activity_of(const struct task_struct *task)
{
	__u64 runtime = task->se.sum_exec_runtime;
	unsigned int state = task->__state;

	if (!runtime || !state)
		return 0;
	return hash_mix(hash_mix(runtime, state), as_number(task->real_parent)) | 1;
}

/* The same for all threads of `visited`; finds out who is `speaker`. */
__attribute__((noinline)) int look_at_threads(void)
{
	struct task_struct *leader = AS_TASK(visited);
	struct task_struct *thread;
	struct bpf_iter_num it;
	__u64 end = end_of_threads(leader);
	__u64 current = thread_after(leader);
	bool ended = has_ended(leader), running;

	activity = activity_of(leader);
	running = !activity;
	speaker = visited;
	bpf_iter_num_new(&it, 0, MAX_THREADS);
	while (bpf_iter_num_next(&it)) {
		if (current == end)
			break;
		thread = AS_TASK(current);
		activity = hash_mix(activity, thread->se.sum_exec_runtime);
		if (!thread->__state)
			running = true;
		if (ended && thread->mm) {
			ended = false;
			speaker = current;
			activity = hash_mix(activity, thread->__state);
		}
		current = thread_after(thread);
	}
	bpf_iter_num_destroy(&it);
	activity = running ? 0 : activity | 1;
	return 0;
}

__attribute__((noinline)) int add_threads(void)
{
	struct task_struct *leader = AS_TASK(visited);
	struct task_struct *thread;
	struct tukur_task *row;
	struct bpf_iter_num it;
	__u64 end = end_of_threads(leader);
	__u64 current = thread_after(leader);
	__u32 index = row_of_visited;

	row = bpf_map_lookup_elem(&rows, &index);
	if (!row)
		return 0;
	bpf_iter_num_new(&it, 0, MAX_THREADS);
	while (bpf_iter_num_next(&it)) {
		if (current == end)
			break;
		thread = AS_TASK(current);
		ADD_USAGE(row, thread);
		current = thread_after(thread);
	}
	bpf_iter_num_destroy(&it);
	return 0;
}

/*
 * Scales utime and stime so that their sum is cpu_ns and neither goes back, as cputime_adjust():
 * the tick that charges a mode only samples, the scheduler's sum is exact.
 */
static __always_inline void split_cpu_time(struct tukur_task *row, __u64 user_before,
					   __u64 system_before)
{
	__u64 runtime = row->cpu_ns, system = row->stime_ns, total = row->utime_ns + system;
	__u64 scaled = 0, rest, user;

	if (total) {
		/* runtime * system / total, without the 128 bits that BPF lacks. */
		scaled = runtime / total * system;
		rest = runtime % total;
		for (int halved = 0; halved < 32 && total >> 32; halved++) {
			/* By far less than a tick, even after years of CPU time. */
			total >>= 1;
			system >>= 1;
		}
		if (rest >> 32)
			scaled += rest / total * system + rest % total * system / total;
		else
			scaled += rest * system / total;
	}
	if (system_before > runtime)
		system_before = runtime;
	if (scaled > runtime)
		scaled = runtime;
	if (scaled < system_before)
		scaled = system_before;
	user = runtime - scaled;
	if (user_before > runtime)
		user_before = runtime;
	if (user < user_before)
		user = user_before;
	row->utime_ns = user;
	row->stime_ns = runtime - user;
}

/* Writes the whole record of `visited`; 1: of another life than what was there. */
__attribute__((noinline)) int write_row(void)
{
	struct task_struct *leader = AS_TASK(visited);
	__u64 user_before = 0, system_before = 0;
	__u32 index = row_of_visited;
	struct tukur_task *row;
	bool same;

	row = bpf_map_lookup_elem(&rows, &index);
	if (!row)
		return 0;
	same = row->start_ns == leader->start_boottime;
	if (same) {
		user_before = row->utime_ns;
		system_before = row->stime_ns;
	}
	__builtin_memset(row, 0, sizeof(*row));
	FILL_USAGE(row, leader);
	ADD_EXITED_THREADS(row, leader->signal);
	if (!is_only_thread(leader))
		add_threads();
	split_cpu_time(row, user_before, system_before);
	fill_pids(row, leader, reader_level);
	fill_process(row, AS_TASK(speaker));
	return !same;
}

/* A hash of what fill_changeable() fills. */
static __always_inline __u64 changeable(const struct tukur_task *row)
{
	__u64 sum = hash_mix(row->rss_anon, row->rss_file);

	sum = hash_mix(hash_mix(sum, row->rss_shmem), row->swap);
	sum = hash_mix(hash_mix(sum, row->vsz), row->cgroup_id);
	return hash_mix(sum, (__u64)(__u16)row->nice << 32 |
				     (__u64)(__u16)row->oom_score_adj << 16 | row->policy);
}

/* Whether others have changed `visited` while it slept. */
__attribute__((noinline)) int refresh_row(void)
{
	__u32 index = row_of_visited;
	struct tukur_task *row = bpf_map_lookup_elem(&rows, &index);
	__u64 was;

	if (!row)
		return 0;
	was = changeable(row);
	fill_changeable(row, AS_TASK(speaker));
	return was != changeable(row);
}

/* Where `visited` was in the last walk's order; NOWHERE: it is new. */
__attribute__((noinline)) __u32 place_before(void)
{
	__u32 index = next_before, found = NOWHERE;
	struct place *place;
	struct bpf_iter_num it;

	if (index >= before)
		return NOWHERE;
	place = bpf_map_lookup_elem(&places, &index);
	if (place && place->task == visited) {
		next_before = index + 1;
		if (!reader_level)
			number = place->number & ~SEVERAL;
		return index;
	}
	/* Some have ended; or a thread has called exec and taken the place of its leader. */
	if (!reader_level)
		number = AS_TASK(visited)->pid;
	bpf_iter_num_new(&it, 0, MAX_PLACES);
	while (bpf_iter_num_next(&it)) {
		index = next_before;
		if (index >= before)
			break;
		next_before = index + 1;
		place = bpf_map_lookup_elem(&places, &index);
		if (place && (place->number & ~SEVERAL) == number) {
			found = index;
			break;
		}
	}
	bpf_iter_num_destroy(&it);
	return found;
}

/* The place of the next process of this walk, with what is known of it from `index` of the last. */
static __always_inline struct place *take_place(__u32 index)
{
	__u32 position = count;
	struct place *place, *from;
	__u32 spare;

	place = bpf_map_lookup_elem(&places, &position);
	if (!place)
		return 0;
	if (position >= placed) {
		place->row = position;
		placed = position + 1;
	}
	if (index == NOWHERE) {
		place->number = 0;
		place->activity = 0;
	} else if (index != position) {
		from = bpf_map_lookup_elem(&places, &index);
		if (!from)
			return 0;
		spare = place->row;
		*place = *from;
		from->row = spare;
	}
	return place;
}

static __always_inline void add_change(__u32 position)
{
	__u32 index = changed;
	struct change *change = bpf_map_lookup_elem(&changes, &index);

	if (!change)
		return;
	change->place = position;
	change->row = row_of_visited;
	changed = index + 1;
}

/* The reader's number of `visited`; 0: not in its PID namespace. */
static __always_inline __u32 number_of(struct task_struct *task)
{
	struct pid_number number;

	if (task->thread_pid->level < reader_level)
		return 0;
	number = number_at(pid_address(&task->thread_pid), reader_level);
	return (__u64)number.ns == reader_namespace ? number.nr : 0;
}

__attribute__((noinline)) int visit(void)
{
	struct task_struct *task = AS_TASK(visited);
	__u32 index, position;
	struct place *place;
	bool several, refresh;

	number = reader_level ? number_of(task) : 0;
	if (reader_level && !number)
		return 0;
	index = place_before();
	position = count;
	place = take_place(index);
	count = position + 1;
	if (!place)
		return 0;
	row_of_visited = place->row;
	refresh = row_of_visited % REFRESH == refreshed;
	speaker = visited;
	several = index == NOWHERE ? !is_only_thread(task) : (place->number & SEVERAL) != 0;
	if (several)
		look_at_threads();
	else
		activity = activity_of(task);
	if (place->activity && place->activity == activity) {
		if (refresh && refresh_row())
			add_change(position);
	} else {
		/* It has run, so that it may have got its first or lost its last other thread. */
		several = !is_only_thread(task);
		if (several)
			look_at_threads();
		place->task = visited;
		place->activity = activity;
		if (!reader_level)
			/* What was there may have been another process in the same task_struct. */
			number = task->pid;
		place->number = number | (several ? SEVERAL : 0);
		if (write_row())
			moved = 1;
		add_change(position);
	}
	if (index == NOWHERE)
		moved = 1;
	if (number < last_number)
		unordered = 1;
	last_number = number;
	return 0;
}

static __always_inline void begin(void)
{
	struct pid *own = bpf_get_current_task_btf()->thread_pid;

	reader_level = own->level;
	reader_namespace = (__u64)number_at((char *)as_number(own), reader_level).ns;
	count = 0;
	next_before = 0;
	changed = 0;
	moved = 0;
	unordered = 0;
	last_number = 0;
	refreshed = (refreshed + 1) % REFRESH;
}

SEC("syscall")
int walk(struct walk_result *result)
{
	struct bpf_iter_task it;
	struct task_struct *task;

	begin();
	read_cpu_offsets();
	bpf_rcu_read_lock();
	bpf_iter_task_new(&it, 0, BPF_TASK_ITER_ALL_PROCS);
	/* The first one is the idle task, which is no process. */
	if (bpf_iter_task_next(&it)) {
		while ((task = bpf_iter_task_next(&it))) {
			visited = (__u64)task;
			visit();
		}
	}
	bpf_iter_task_destroy(&it);
	bpf_rcu_read_unlock();
	if (count != before)
		moved = 1;
	before = count < placed ? count : placed;
	result->processes = count;
	result->changes = changed;
	result->moved = moved;
	result->unordered = unordered;
	return 0;
}
