/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note OR Apache-2.0 */
/*
 * tukur_record.h - the state of a process at one instant, and the events of
 * processes between two instants, as a source reports them.
 *
 * The one definition that the kernel modules, the eBPF programs and
 * tukur.records share. A test compiles it and compares every offset with the
 * numpy dtypes.
 *
 * The rule for change (as in Linux's taskstats.h):
 *
 *  1. TUKUR_RECORD_VERSION goes up by one with every change of struct
 *     tukur_task, TUKUR_EVENT_VERSION with every change of an event.
 *  2. New fields go to the end of the structure. No field is ever moved,
 *     resized, given another unit or removed; one that can no longer be
 *     filled stays, and is zero.
 *  3. Every field is of fixed width and naturally aligned; padding is written
 *     out and zero; the size is a multiple of 8. No pointer, no long, no enum,
 *     no bit-field: the structure is the same on every architecture of one
 *     endianness.
 *  4. A reader learns the version first. It takes the prefix it knows of a
 *     longer record, and treats what a shorter one lacks as zero. It skips an
 *     event of a kind that it does not know by its size.
 */
#ifndef TUKUR_RECORD_H
#define TUKUR_RECORD_H

#ifndef __KERNEL__
#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif
#endif

#define TUKUR_RECORD_VERSION 1
#define TUKUR_EVENT_VERSION 2
#define TUKUR_COMM_LEN 16

/* tukur_task.flags */
#define TUKUR_TASK_KTHREAD (1U << 0) /* PF_KTHREAD: no user memory of its own */
/*
 * Not a process but one live thread of it other than its leader: pid is the
 * process's, and only start_ns (of the process), cpu_ns, utime_ns, stime_ns,
 * minflt, majflt, read_bytes, write_bytes, nvcsw and nivcsw are filled. The
 * reader adds them to the process's record and passes none of them on. Where
 * the leader has ended, all is filled of the first thread that lives, and the
 * process's record takes its memory, owner, state and the like.
 */
#define TUKUR_TASK_THREAD (1U << 1)
/* The process has exited: counters are final, memory is its peak. Set by the reader. */
#define TUKUR_TASK_ENDED (1U << 2)
/* It has exited, and its peak is not known: memory is of the sample before, or zero. Set by the reader. */
#define TUKUR_TASK_PEAK_UNKNOWN (1U << 3)
/* tukur_exit.flags, since version 2: rss_peak is of the memory of the process's own last image. */
#define TUKUR_EXIT_OWN_PEAK (1U << 8)

/* The columns of the comments are aligned by hand. */
/* clang-format off */

struct tukur_task {
	__u64 start_ns;      /* since boot, suspend included: task->start_boottime   */
	__u64 cpu_ns;        /* on a CPU, all threads, exited ones too               */
	__u64 utime_ns;      /* of cpu_ns in user mode, as cputime_adjust() splits   */
	__u64 stime_ns;      /* of cpu_ns in kernel mode                             */
	__u64 rss_anon;      /* bytes resident: MM_ANONPAGES                         */
	__u64 rss_file;      /* bytes resident: MM_FILEPAGES                         */
	__u64 rss_shmem;     /* bytes resident: MM_SHMEMPAGES                        */
	__u64 swap;          /* bytes swapped out: MM_SWAPENTS                       */
	__u64 vsz;           /* bytes of address space: mm->total_vm                 */
	__u64 minflt;        /* page faults without I/O, all threads, exited ones too */
	__u64 majflt;        /* page faults with I/O, likewise                       */
	__u64 read_bytes;    /* bytes fetched from storage, likewise                 */
	__u64 write_bytes;   /* bytes sent to storage, likewise                      */
	__u64 nvcsw;         /* voluntary context switches, likewise                 */
	__u64 nivcsw;        /* involuntary context switches, likewise               */
	__u64 cgroup_id;     /* inode of the cgroup in the v2 hierarchy              */
	__u32 pid;           /* of the process (tgid), in the reader's PID namespace */
	__u32 ppid;          /* the real parent's tgid; 0: none                      */
	__u32 uid;           /* effective user id                                    */
	__u32 gid;           /* effective group id                                   */
	__u32 ns_pid;        /* PID in the process's own PID namespace; of a thread, its own number */
	__u32 threads;       /* live threads; 0: unknown                             */
	__u32 exec_id;       /* another value after exec; opaque, of one source      */
	__u32 flags;         /* TUKUR_TASK_*                                         */
	__s16 nice;          /* -20 .. 19                                            */
	__s16 oom_score_adj; /* -1000 .. 1000                                        */
	__u8 state;          /* a letter as in proc(5): R S D T t Z X I; of the leader, or of a
				thread that lives once the leader has ended          */
	__u8 policy;         /* SCHED_*: 0 other, 1 fifo, 2 rr, 3 batch, 5 idle, 6 deadline */
	__u16 pad0;          /* zero */
	char comm[TUKUR_COMM_LEN]; /* NUL-padded; any bytes */
};

/* The header of /proc/tukur_tasks and /proc/tukur_events; records or events follow. */
#define TUKUR_STREAM_MAGIC 0x524b4b54U /* "TKKR" */

struct tukur_stream {
	__u32 magic;         /* TUKUR_STREAM_MAGIC                                   */
	__u32 version;       /* TUKUR_RECORD_VERSION or TUKUR_EVENT_VERSION          */
	__u32 record_size;   /* bytes of a record; of events, whose sizes differ, 0  */
	__u32 pad0;          /* zero                                                 */
};

/*
 * Events: what happened between two reads, in order.
 * Each begins with these four fields; size says where the next one begins, and
 * is a multiple of 8. Times are CLOCK_BOOTTIME, counters as in tukur_task.
 */
struct tukur_event {
	__u64 at_ns;         /* when                                                 */
	__u64 start_ns;      /* of the process's life; of a cgroup, its id           */
	__u32 size;          /* bytes of the event, its text included                */
	__u32 kind;          /* TUKUR_EVENT_*                                        */
};

/* A process has called exec: struct tukur_exec. */
#define TUKUR_EVENT_EXEC 1
/* Its last thread has exited: struct tukur_exit, whose CPU time is not complete yet. */
#define TUKUR_EVENT_EXIT 2
/*
 * It was reaped, and all its usage is counted: struct tukur_exit once more, in
 * which ppid, uid, gid, ns_pid and threads are zero. Comes some milliseconds
 * after the parent has waited for it. Belongs to the TUKUR_EVENT_EXIT with the
 * same start_ns and kernel_pid.
 */
#define TUKUR_EVENT_FREE 3
/* A cgroup was created: struct tukur_cgroup. */
#define TUKUR_EVENT_CGROUP 4
/* Many lives in one: struct tukur_group, when the events of each do not fit. */
#define TUKUR_EVENT_GROUP 5
/* What does not fit into a group either: struct tukur_lost. */
#define TUKUR_EVENT_LOST 6

#define TUKUR_ARGS_MAX 4096

struct tukur_exec {
	__u64 at_ns;
	__u64 start_ns;
	__u32 size;
	__u32 kind;
	__u32 pid;           /* as in tukur_task                                     */
	__u32 ppid;
	__u32 uid;
	__u32 gid;
	__u32 kernel_pid;    /* the process's number in the first PID namespace      */
	__u32 args_len;      /* bytes of arguments that follow, at most TUKUR_ARGS_MAX */
	__u32 args_whole;    /* bytes of arguments that there are                    */
	__u32 pad0;          /* zero                                                 */
	__u64 cgroup_id;
	char comm[TUKUR_COMM_LEN];
	/* the arguments, each ended by a NUL, padded with NULs to a multiple of 8 */
};

/*
 * rss_peak: with TUKUR_EXIT_OWN_PEAK what the last image held at most. Without, the kernel knows
 * no more than that it was at most this: signal->maxrss, into which exec() folds the memory that
 * the process had before, which is its parent's after vfork(). Of a FREE it is always the latter.
 */
struct tukur_exit {
	__u64 at_ns;         /* TUKUR_EVENT_EXIT: of the death; FREE: of the reaping */
	__u64 start_ns;
	__u32 size;
	__u32 kind;
	__u64 cpu_ns;        /* on a CPU, all threads                                */
	__u64 utime_ns;      /* as ticks charged it: to be scaled to cpu_ns          */
	__u64 stime_ns;
	__u64 rss_peak;      /* bytes resident at most; see TUKUR_EXIT_OWN_PEAK      */
	__u64 minflt;
	__u64 majflt;
	__u64 read_bytes;
	__u64 write_bytes;
	__u64 nvcsw;
	__u64 nivcsw;
	__u64 cgroup_id;
	__u32 pid;
	__u32 ppid;          /* when it ended; 0: none                               */
	__u32 uid;
	__u32 gid;
	__u32 ns_pid;
	__u32 kernel_pid;    /* the process's number in the first PID namespace      */
	__u32 status;        /* as wait(2) gives it: exit code << 8, or the signal   */
	__u32 flags;         /* TUKUR_TASK_KTHREAD, TUKUR_EXIT_OWN_PEAK              */
	char comm[TUKUR_COMM_LEN];
};

struct tukur_cgroup {
	__u64 at_ns;
	__u64 cgroup_id;
	__u32 size;
	__u32 kind;
	__u32 path_len;      /* bytes of the path in its hierarchy, which follows    */
	__u32 root;          /* hierarchy_id: 0 is the default one (v2)              */
	/* the path, padded with NULs to a multiple of 8 */
};

/* Lives of one name under one parent that got no event of their own. */
struct tukur_group {
	__u64 at_ns;         /* the last death among them                            */
	__u64 start_ns;      /* of the parent's life; 0: unknown                     */
	__u32 size;
	__u32 kind;
	__u64 first_ns;      /* the first death among them                           */
	__u64 lives;
	__u64 cpu_ns;        /* of all of them together, as are the next two         */
	__u64 read_bytes;
	__u64 write_bytes;
	__u64 rss_peak;      /* the largest of the peaks that are known              */
	__u32 ppid;
	__u32 uid;           /* of the first one                                     */
	char comm[TUKUR_COMM_LEN];
	__u64 peaks;         /* how many peaks are known; since version 2            */
};

struct tukur_lost {
	__u64 at_ns;
	__u64 start_ns;      /* zero                                                 */
	__u32 size;
	__u32 kind;
	__u64 execs;         /* program changes since the last reading; ...          */
	__u64 lives;         /* lives without even a group                           */
	__u64 cpu_ns;        /* their CPU time                                       */
	__u64 finals;        /* lives whose last CPU time (FREE) is not known        */
};

/* clang-format on */

#endif /* TUKUR_RECORD_H */
