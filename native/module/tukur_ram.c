// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/tukur_ram: the memory of the machine and of each process, as JSON.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/file.h>
#include <linux/magic.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/seq_file.h>
#include <linux/swap.h>
#include <linux/timekeeping.h>
#include <linux/vmstat.h>

#include "json.h"
#include "snapshot.h"

static char *proc_name = "tukur_ram";
module_param(proc_name, charp, 0444);
MODULE_PARM_DESC(proc_name, "name of the file under /proc");

static int access = TUKUR_ACCESS_GROUP;
module_param(access, int, 0444);
MODULE_PARM_DESC(access,
		 "who sees what: 0 everyone all, 1 everyone their own, 2 root and gid= (default)");

static int gid = -1;
module_param(gid, int, 0444);
MODULE_PARM_DESC(gid, "number of the group that sees all, -1 for none (default)");

static unsigned int snapshots_mib = 64;
module_param(snapshots_mib, uint, 0444);
MODULE_PARM_DESC(snapshots_mib, "MiB that all open snapshots together may hold (default 64)");

/* Lines of meminfo that no exported interface provides, in kB or as a plain number. */
enum ram_line { SWAP_TOTAL, SWAP_FREE, HUGE_TOTAL, HUGE_FREE, HUGE_RESERVED, HUGE_SIZE, RAM_LINES };

/* clang-format off */
static const char *const ram_lines[RAM_LINES] = {
	[SWAP_TOTAL] = "\nSwapTotal:",
	[SWAP_FREE] = "\nSwapFree:",
	[HUGE_TOTAL] = "\nHugePages_Total:",
	[HUGE_FREE] = "\nHugePages_Free:",
	[HUGE_RESERVED] = "\nHugePages_Rsvd:",
	[HUGE_SIZE] = "\nHugepagesize:",
};

/* clang-format on */

#define MEMINFO_MAX 8192

struct ram_report {
	struct tukur_snapshot snapshot;
	u64 at_ns;
	struct sysinfo info;
	u64 available, cached, slab, slab_reclaimable; /* pages */
	s64 lines[RAM_LINES];                          /* -1: not available */
};

static struct tukur_budget ram_budget;
static struct proc_dir_entry *ram_entry;
/* A private mount: what the reader may have mounted on /proc/meminfo does not matter. */
static struct vfsmount *ram_proc;

static s64 ram_line(const char *meminfo, const char *name)
{
	const char *line = strstr(meminfo, name);
	unsigned long long value;

	if (!line || sscanf(line + strlen(name), "%llu", &value) != 1)
		return -1;
	return value;
}

static void ram_read_lines(struct ram_report *report)
{
	struct path root = { .mnt = ram_proc };
	struct file *file;
	loff_t offset = 0;
	ssize_t length = 0;
	char *meminfo;
	int line;

	for (line = 0; line < RAM_LINES; line++)
		report->lines[line] = -1;
	if (!ram_proc)
		return;
	meminfo = kmalloc(MEMINFO_MAX, GFP_KERNEL);
	if (!meminfo)
		return;
	root.dentry = ram_proc->mnt_root;
	file = file_open_root(&root, "meminfo", O_RDONLY, 0);
	if (!IS_ERR(file)) {
		length = kernel_read(file, meminfo, MEMINFO_MAX - 1, &offset);
		fput(file);
	}
	meminfo[max_t(ssize_t, length, 0)] = '\0';
	for (line = 0; line < RAM_LINES; line++)
		report->lines[line] = ram_line(meminfo, ram_lines[line]);
	kfree(meminfo);
}

static void ram_read_machine(struct ram_report *report)
{
	s64 cached;

	report->at_ns = ktime_get_boottime_ns();
	si_meminfo(&report->info);
	report->available = max(si_mem_available(), 0L);
	cached = (s64)global_node_page_state(NR_FILE_PAGES) - (s64)report->info.bufferram;
#ifdef CONFIG_SWAP
	cached -= global_node_page_state(NR_SWAPCACHE);
#endif
	report->cached = max_t(s64, cached, 0);
	report->slab_reclaimable = global_node_page_state_pages(NR_SLAB_RECLAIMABLE_B);
	report->slab =
		report->slab_reclaimable + global_node_page_state_pages(NR_SLAB_UNRECLAIMABLE_B);
	ram_read_lines(report);
}

static void ram_print_line(struct seq_file *out, const char *name, s64 value, unsigned int unit)
{
	if (value < 0)
		seq_printf(out, "\"%s\":null", name);
	else
		seq_printf(out, "\"%s\":%llu", name, value * unit);
}

static void ram_print_pages(struct seq_file *out, const char *name, u64 pages)
{
	seq_printf(out, ",\"%s\":%llu", name, pages << PAGE_SHIFT);
}

static void ram_print_machine(struct seq_file *out, const struct ram_report *report)
{
	const s64 *lines = report->lines;

	seq_printf(out, "{\"at_ns\":%llu,\n\"memory\":{", report->at_ns);
	seq_printf(out, "\"total_bytes\":%llu", (u64)report->info.totalram << PAGE_SHIFT);
	ram_print_pages(out, "used_bytes",
			report->info.totalram -
				min_t(u64, report->available, report->info.totalram));
	ram_print_pages(out, "free_bytes", report->info.freeram);
	ram_print_pages(out, "available_bytes", report->available);
	ram_print_pages(out, "buffers_bytes", report->info.bufferram);
	ram_print_pages(out, "cached_bytes", report->cached);
	ram_print_pages(out, "shared_bytes", report->info.sharedram);
	ram_print_pages(out, "slab_bytes", report->slab);
	ram_print_pages(out, "slab_reclaimable_bytes", report->slab_reclaimable);
	seq_puts(out, "},\n\"swap\":{");
	ram_print_line(out, "total_bytes", lines[SWAP_TOTAL], 1024);
	seq_putc(out, ',');
	ram_print_line(out, "free_bytes", lines[SWAP_FREE], 1024);
	seq_puts(out, "},\n\"huge_pages\":{");
	ram_print_line(out, "page_bytes", lines[HUGE_SIZE], 1024);
	seq_putc(out, ',');
	ram_print_line(out, "total", lines[HUGE_TOTAL], 1);
	seq_putc(out, ',');
	ram_print_line(out, "free", lines[HUGE_FREE], 1);
	seq_putc(out, ',');
	ram_print_line(out, "reserved", lines[HUGE_RESERVED], 1);
	seq_printf(out, "},\n\"process_count\":%u,\n\"processes\":[\n", report->snapshot.count);
}

static void ram_print_process(struct seq_file *out, const struct ram_report *report,
			      const struct tukur_task *task)
{
	u64 rss = task->rss_anon + task->rss_file + task->rss_shmem;
	u64 total = max_t(u64, (u64)report->info.totalram << PAGE_SHIFT, 1);
	u64 millionths = mul_u64_u64_div_u64(rss, 1000000, total);
	u32 fraction;

	seq_printf(out, "{\"pid\":%u,\"name\":", task->pid);
	tukur_json_string(out, task->comm, sizeof(task->comm));
	seq_printf(out, ",\"uid\":%u,\"rss_bytes\":%llu", task->uid, rss);
	seq_printf(out, ",\"anon_bytes\":%llu,\"file_bytes\":%llu,\"shmem_bytes\":%llu",
		   task->rss_anon, task->rss_file, task->rss_shmem);
	millionths = div_u64_rem(millionths, 1000000, &fraction);
	seq_printf(out, ",\"swap_bytes\":%llu,\"share\":%llu.%06u}", task->swap, millionths,
		   fraction);
}

/* Positions: the machine, each process, the end. */
static void *ram_start(struct seq_file *out, loff_t *position)
{
	struct ram_report *report = out->private;

	/* seq_file passes it to show(), which uses the position instead. */
	return *position < (loff_t)report->snapshot.count + 2 ? report : NULL;
}

static void *ram_next(struct seq_file *out, void *report, loff_t *position)
{
	++*position;
	return ram_start(out, position);
}

static void ram_stop(struct seq_file *out, void *report)
{
}

static int ram_show(struct seq_file *out, void *unused)
{
	struct ram_report *report = out->private;
	loff_t position = out->index;

	if (!position) {
		ram_print_machine(out, report);
	} else if (position <= report->snapshot.count) {
		ram_print_process(out, report, &report->snapshot.tasks[position - 1]);
		seq_puts(out, position < report->snapshot.count ? ",\n" : "\n");
	} else {
		seq_puts(out, "]}\n");
	}
	return 0;
}

static const struct seq_operations ram_seq = {
	.start = ram_start,
	.next = ram_next,
	.stop = ram_stop,
	.show = ram_show,
};

static int ram_open(struct inode *inode, struct file *file)
{
	struct tukur_view view;
	struct tukur_walk walk = { .view = &view, .fill = tukur_fill_memory };
	struct ram_report *report;
	int err;

	err = tukur_view_open(&view, file, access, gid);
	if (err)
		return err;
	report = kzalloc(sizeof(*report), GFP_KERNEL_ACCOUNT);
	if (report) {
		report->snapshot.budget = &ram_budget;
		err = tukur_snapshot_take(&report->snapshot, &walk);
	} else {
		err = -ENOMEM;
	}
	tukur_view_close(&view);
	if (err)
		goto free_report;
	ram_read_machine(report);
	err = seq_open(file, &ram_seq);
	if (err)
		goto free_snapshot;
	((struct seq_file *)file->private_data)->private = report;
	return 0;
free_snapshot:
	tukur_snapshot_free(&report->snapshot);
free_report:
	kfree(report);
	return err;
}

static int ram_release(struct inode *inode, struct file *file)
{
	struct ram_report *report = ((struct seq_file *)file->private_data)->private;

	tukur_snapshot_free(&report->snapshot);
	kfree(report);
	return seq_release(inode, file);
}

static const struct proc_ops ram_ops = {
	.proc_open = ram_open,
	.proc_read_iter = seq_read_iter,
	.proc_lseek = seq_lseek,
	.proc_release = ram_release,
};

static void ram_mount(void)
{
	struct file_system_type *type = get_fs_type("proc");

	if (!type)
		return;
	ram_proc = kern_mount(type);
	/* The other figures are available without it. */
	if (IS_ERR(ram_proc))
		ram_proc = NULL;
}

static int __init ram_init(void)
{
	int err;

	err = tukur_check_access(access, gid) ?: tukur_check_name(proc_name);
	if (err)
		return err;
	ram_budget.max = (unsigned long)snapshots_mib << 20;
	ram_mount();
	err = tukur_proc_create(&ram_entry, proc_name, &ram_ops, access, gid);
	if (err && ram_proc)
		kern_unmount(ram_proc);
	return err;
}

static void __exit ram_exit(void)
{
	/* Waits for running file operations and releases the open files. */
	proc_remove(ram_entry);
	if (ram_proc)
		kern_unmount(ram_proc);
}

module_init(ram_init);
module_exit(ram_exit);

MODULE_DESCRIPTION("Memory of the machine and of each process as JSON");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
