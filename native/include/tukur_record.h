/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note OR Apache-2.0 */
/*
 * tukur_record.h - what one source says of one process at one instant.
 *
 * The one definition that the kernel modules, the eBPF programs and
 * tukur.records share. A test compiles it and compares every offset with the
 * numpy dtype.
 *
 * The rule for change (as in Linux's taskstats.h):
 *
 *  1. TUKUR_RECORD_VERSION goes up by one with every change.
 *  2. New fields go to the end of the structure. No field is ever moved,
 *     resized, given another unit or removed; one that nobody can fill any
 *     more stays, and is zero.
 *  3. Every field is of fixed width and naturally aligned; padding is written
 *     out and zero; the size is a multiple of 8. No pointer, no long, no enum,
 *     no bit-field: the structure is the same on every architecture of one
 *     endianness.
 *  4. A reader learns the version first. It takes the prefix it knows of a
 *     longer record, and treats what a shorter one lacks as zero.
 */
#ifndef TUKUR_RECORD_H
#define TUKUR_RECORD_H

#ifndef __KERNEL__
#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif
#endif

#define TUKUR_RECORD_VERSION 1
#define TUKUR_COMM_LEN 16

/* tukur_task.flags */
#define TUKUR_TASK_KTHREAD (1U << 0) /* PF_KTHREAD: no user memory of its own */
/*
 * Not a process but one live thread of it other than its leader: pid is the
 * process's, and only start_ns (of the process), cpu_ns, utime_ns, stime_ns,
 * minflt, majflt, read_bytes, write_bytes, nvcsw and nivcsw are filled. The
 * reader adds them to the process's record; nobody else ever sees one.
 */
#define TUKUR_TASK_THREAD (1U << 1)

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
	__u32 ns_pid;        /* PID in the process's own PID namespace               */
	__u32 threads;       /* live threads; 0: unknown                             */
	__u32 exec_id;       /* another value after exec; opaque, of one source      */
	__u32 flags;         /* TUKUR_TASK_*                                         */
	__s16 nice;          /* -20 .. 19                                            */
	__s16 oom_score_adj; /* -1000 .. 1000                                        */
	__u8 state;          /* the leader's, a letter as in proc(5): R S D T t Z X I */
	__u8 policy;         /* SCHED_*: 0 other, 1 fifo, 2 rr, 3 batch, 5 idle, 6 deadline */
	__u16 pad0;          /* zero */
	char comm[TUKUR_COMM_LEN]; /* NUL-padded; any bytes */
};

#endif /* TUKUR_RECORD_H */
