// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module tukur_cpu: its parameters and its three files.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/log2.h>
#include <linux/module.h>

#include "cpu.h"
#include "snapshot.h"

#define EVENTS_KIB_MIN 8
#define EVENTS_KIB_MAX 0x100000 /* 1 GiB */

static char *proc_name = "tukur_cpu";
module_param(proc_name, charp, 0444);
MODULE_PARM_DESC(proc_name, "name of the JSON file under /proc");

int tukur_access = TUKUR_ACCESS_GROUP;
module_param_named(access, tukur_access, int, 0444);
MODULE_PARM_DESC(access,
		 "who sees what: 0 everyone all, 1 everyone their own, 2 root and gid= (default)");

int tukur_gid = -1;
module_param_named(gid, tukur_gid, int, 0444);
MODULE_PARM_DESC(gid, "number of the group that sees all, -1 for none (default)");

static unsigned int snapshots_mib = 64;
module_param(snapshots_mib, uint, 0444);
MODULE_PARM_DESC(snapshots_mib, "MiB that all open snapshots together may hold (default 64)");

unsigned int tukur_events_kib = 4096;
module_param_named(events_kib, tukur_events_kib, uint, 0444);
MODULE_PARM_DESC(events_kib, "KiB of events kept for the reader, a power of two (default 4096)");

struct tukur_budget tukur_cpu_budget;

static struct proc_dir_entry *cpu_entry, *tasks_entry, *events_entry;

static int __init check_parameters(void)
{
	int err;

	err = tukur_check_access(tukur_access, tukur_gid) ?: tukur_check_name(proc_name);
	if (err)
		return err;
	if (tukur_events_kib < EVENTS_KIB_MIN || tukur_events_kib > EVENTS_KIB_MAX ||
	    !is_power_of_2(tukur_events_kib)) {
		pr_err("events_kib=%u: expected a power of two from %d to %d\n", tukur_events_kib,
		       EVENTS_KIB_MIN, EVENTS_KIB_MAX);
		return -EINVAL;
	}
	return 0;
}

static int __init tukur_cpu_init(void)
{
	int err = check_parameters();

	if (err)
		return err;
	tukur_cpu_budget.max = (unsigned long)snapshots_mib << 20;
	tukur_events_init();
	err = tukur_proc_create(&cpu_entry, proc_name, &tukur_cpu_ops, tukur_access, tukur_gid);
	if (err)
		return err;
	err = tukur_proc_create(&tasks_entry, "tukur_tasks", &tukur_tasks_ops, tukur_access,
				tukur_gid);
	if (err)
		goto remove_cpu;
	err = tukur_proc_create(&events_entry, "tukur_events", &tukur_events_ops,
				TUKUR_ACCESS_GROUP, tukur_gid);
	if (err)
		goto remove_tasks;
	return 0;
remove_tasks:
	proc_remove(tasks_entry);
remove_cpu:
	proc_remove(cpu_entry);
	return err;
}

static void __exit tukur_cpu_exit(void)
{
	/* Each waits for running file operations and releases the open files. */
	proc_remove(events_entry);
	proc_remove(tasks_entry);
	proc_remove(cpu_entry);
}

module_init(tukur_cpu_init);
module_exit(tukur_cpu_exit);

MODULE_DESCRIPTION("Processes and their CPU time as JSON, as records and as events");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
