/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pids.h - what a process is called in one of the PID namespaces that it is in.
 */
#ifndef TUKUR_BPF_PIDS_H
#define TUKUR_BPF_PIDS_H

#include "kernel.h"

#define MAX_PID_LEVEL 32 /* MAX_PID_NS_LEVEL */

/* A pointer as a plain number: the verifier lets no variable be added to one with BTF. */
static __always_inline char *plain(struct pid *const *where)
{
	char *pid = 0;

	bpf_probe_read_kernel(&pid, sizeof(pid), where);
	return pid;
}

struct number {
	int nr;
	int pad;
	const struct pid_namespace *ns;
};

/* What a PID is called at one level of the namespaces. */
static __always_inline struct number number_at(char *pid, unsigned int level)
{
	struct number number = {};

	if (pid && level <= MAX_PID_LEVEL)
		bpf_probe_read_kernel(&number, sizeof(number),
				      pid + core_field_offset(((struct pid *)0)->numbers) +
					      level * sizeof(number));
	return number;
}

#endif /* TUKUR_BPF_PIDS_H */
