/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by the files of tukur_cpu.
 */
#ifndef TUKUR_CPU_H
#define TUKUR_CPU_H

#include <linux/proc_fs.h>
#include <linux/types.h>

struct tukur_budget;

extern int tukur_access;
extern int tukur_gid;
extern unsigned int tukur_events_kib;
extern struct tukur_budget tukur_cpu_budget;

extern const struct proc_ops tukur_cpu_ops;
extern const struct proc_ops tukur_tasks_ops;
extern const struct proc_ops tukur_events_ops;

void tukur_events_init(void);

#endif /* TUKUR_CPU_H */
