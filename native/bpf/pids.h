/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pids.h - the PID of a process in one of its PID namespaces.
 */
#ifndef TUKUR_BPF_PIDS_H
#define TUKUR_BPF_PIDS_H

#include "kernel.h"

#define MAX_PID_LEVEL 32 /* MAX_PID_NS_LEVEL */

/* The pointer as a scalar: the verifier forbids variable offsets on pointers with BTF. */
static __always_inline char *pid_address(struct pid *const *field)
{
	char *pid = 0;

	bpf_probe_read_kernel(&pid, sizeof(pid), field);
	return pid;
}

struct pid_number {
	int nr;
	int pad;
	const struct pid_namespace *ns;
};

/* The upid at one level of the PID namespaces. */
static __always_inline struct pid_number number_at(char *pid, unsigned int level)
{
	struct pid_number number = {};

	if (pid && level <= MAX_PID_LEVEL)
		bpf_probe_read_kernel(&number, sizeof(number),
				      pid + core_field_offset(((struct pid *)0)->numbers) +
					      level * sizeof(number));
	return number;
}

#endif /* TUKUR_BPF_PIDS_H */
