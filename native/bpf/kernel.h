/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel.h - the kernel structures, fields and helpers that the programs of
 * this folder use, declared by hand.
 *
 * Only names and types matter: libbpf relocates every access to the running
 * kernel's own offset (CO-RE), so that one object works on 5.15 and later.
 * libbpf ignores what follows "___" in a name: it marks the layout that a
 * structure has in some kernel versions.
 */
#ifndef TUKUR_BPF_KERNEL_H
#define TUKUR_BPF_KERNEL_H

/* tukur_record.h must not include linux/types.h: the types are defined here. */
#define __VMLINUX_H__

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef short __s16;
typedef unsigned int __u32;
typedef int __s32;
typedef unsigned long long __u64;
typedef long long __s64;
typedef _Bool bool;
#define true 1
#define false 0

#define SEC(name) __attribute__((section(name), used))
#define __ksym __attribute__((section(".ksyms")))
#define __kconfig __attribute__((section(".kconfig")))
#define __weak __attribute__((weak))
#define __always_inline inline __attribute__((always_inline))
#define __core __attribute__((preserve_access_index))

/* BPF_FIELD_EXISTS and BPF_FIELD_BYTE_OFFSET of libbpf: constants once the program is loaded. */
#define core_field_exists(field) __builtin_preserve_field_info(field, 2)
#define core_field_offset(field) __builtin_preserve_field_info(field, 0)

/* libbpf's map definitions: the value is the pointer's type, or the length of its array. */
#define __uint(name, value) int (*name)[value]
#define __type(name, value) typeof(value) *name
#define SEC_MAPS SEC(".maps")

#define BPF_MAP_TYPE_HASH 1
#define BPF_MAP_TYPE_ARRAY 2
#define BPF_MAP_TYPE_PERCPU_ARRAY 6
#define BPF_MAP_TYPE_LRU_HASH 9
#define BPF_MAP_TYPE_RINGBUF 27
#define BPF_MAP_TYPE_TASK_STORAGE 29
#define BPF_F_NO_PREALLOC 1
#define BPF_LOCAL_STORAGE_GET_F_CREATE 1
#define BPF_ANY 0
#define BPF_F_MMAPABLE (1U << 10)
#define BPF_RB_NO_WAKEUP 1

struct seq_file;
struct task_struct;

static void *(*const bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*const bpf_map_update_elem)(void *map, const void *key, const void *value,
					 __u64 flags) = (void *)2;
static long (*const bpf_map_delete_elem)(void *map, const void *key) = (void *)3;
static long (*const bpf_probe_read_user)(void *to, __u32 size, const void *from) = (void *)112;
static __u64 (*const bpf_ktime_get_boot_ns)(void) = (void *)125;
static long (*const bpf_ringbuf_output)(void *ring, void *data, __u64 size,
					__u64 flags) = (void *)130;

static long (*const bpf_probe_read_kernel)(void *to, __u32 size, const void *from) = (void *)113;
static long (*const bpf_probe_read_kernel_str)(void *to, __u32 size,
					       const void *from) = (void *)115;
static long (*const bpf_seq_write)(struct seq_file *seq, const void *data,
				   __u32 size) = (void *)127;
static void *(*const bpf_task_storage_get)(void *map, struct task_struct *task, void *value,
					   __u64 flags) = (void *)156;
static struct task_struct *(*const bpf_get_current_task_btf)(void) = (void *)158;

#define PF_FORKNOEXEC 0x00000040 /* forked, and has not called exec */
#define PF_KTHREAD 0x00200000
#define DEFAULT_PRIO 120 /* static_prio of nice 0 */

/* include/linux/sched.h: what fs/proc/array.c reports, the same bits in 5.15 to 6.18 */
#define TASK_UNINTERRUPTIBLE 0x0002
#define TASK_REPORT 0x007f
#define TASK_NOLOAD 0x0400
#define TASK_RTLOCK_WAIT 0x1000
#define TASK_FROZEN 0x8000
#define TASK_IDLE (TASK_UNINTERRUPTIBLE | TASK_NOLOAD)

/* include/linux/mm_types_task.h */
#define MM_FILEPAGES 0
#define MM_ANONPAGES 1
#define MM_SWAPENTS 2
#define MM_SHMEMPAGES 3
#define NR_MM_COUNTERS 4

#define PIDTYPE_TGID 1

struct ns_common {
	unsigned int inum;
} __core;

struct pid_namespace {
	struct ns_common ns;
} __core;

struct upid {
	int nr;
	struct pid_namespace *ns;
} __core;

struct pid {
	unsigned int level;
	struct upid numbers[1];
} __core;

typedef struct {
	__u32 val;
} kuid_t;

typedef struct {
	__u32 val;
} kgid_t;

struct cred {
	kuid_t euid;
	kgid_t egid;
} __core;

struct kernfs_node {
	__u64 id;
} __core;

struct cgroup_root {
	int hierarchy_id;
} __core;

struct cgroup {
	struct kernfs_node *kn;
	struct cgroup_root *root;
} __core;

struct css_set {
	struct cgroup *dfl_cgrp;
} __core;

struct task_io_accounting {
	__u64 read_bytes;
	__u64 write_bytes;
} __core;

struct sched_entity {
	__u64 sum_exec_runtime;
} __core;

typedef struct {
	int counter;
} atomic_t;

#define SIGNAL_GROUP_EXIT 0x00000004

struct list_head {
	struct list_head *next;
	struct list_head *prev;
} __core;

struct signal_struct {
	atomic_t live;
	int nr_threads;
	struct list_head thread_head;
	int group_exit_code;
	unsigned int flags;
	unsigned long maxrss;
	struct pid *pids[4];
	__u64 utime;
	__u64 stime;
	unsigned long nvcsw;
	unsigned long nivcsw;
	unsigned long min_flt;
	unsigned long maj_flt;
	unsigned long long sum_sched_runtime;
	struct task_io_accounting ioac;
	short oom_score_adj;
} __core;

struct mm_struct {
	unsigned long hiwater_rss; /* pages; only as of the last time that some were unmapped */
	unsigned long total_vm;
	unsigned long arg_start;
	unsigned long arg_end;
} __core;

/* Before 6.2: one atomic_long_t for each counter; a plain long would not match a struct. */
struct atomic___long {
	__s64 counter;
} __core;

struct mm_rss_stat___atomic {
	struct atomic___long count[NR_MM_COUNTERS];
} __core;

struct mm_struct___atomic {
	struct mm_rss_stat___atomic rss_stat;
} __core;

/* Since 6.2: count is the shared sum, counters the per-CPU values not yet added to it. */
struct percpu_counter {
	__s64 count;
	__s32 *counters;
} __core;

struct mm_struct___percpu {
	struct percpu_counter rss_stat[NR_MM_COUNTERS];
} __core;

struct task_struct {
	unsigned int __state;
	unsigned int flags;
	int static_prio;
	struct sched_entity se;
	unsigned int policy;
	struct mm_struct *mm;
	struct mm_struct *active_mm;
	int exit_state;
	int exit_code;
	int pid;
	int tgid;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	struct pid *thread_pid;
	struct list_head thread_node;
	__u64 utime;
	__u64 stime;
	unsigned long nvcsw;
	unsigned long nivcsw;
	__u64 start_boottime;
	unsigned long min_flt;
	unsigned long maj_flt;
	const struct cred *real_cred;
	char comm[16];
	struct signal_struct *signal;
	__u64 self_exec_id;
	struct task_io_accounting ioac;
	struct css_set *cgroups;
} __core;

struct bpf_iter_meta {
	struct seq_file *seq;
	__u64 session_id;
	__u64 seq_num;
} __core;

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
} __core;

#endif /* TUKUR_BPF_KERNEL_H */
