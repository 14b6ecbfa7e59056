// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/tukur_cpu: CPU time of the machine and of every process, as JSON.
 *
 * Processes are nested in their parents. The depth of the tree is unbounded and the
 * kernel's stack is small, so the tree is not walked recursively: open() turns it
 * into a list of steps down and up.
 */
#include <linux/kernel_stat.h>
#include <linux/sched/loadavg.h>
#include <linux/seq_file.h>
#include <linux/tick.h>
#include <linux/timekeeping.h>

#include "cpu.h"
#include "json.h"
#include "snapshot.h"

/* Index of no task. */
#define NONE U32_MAX

/*
 * Generations nested in each other. JSON parsers limit the depth: jq 1.6 accepts
 * 256 brackets, two for each generation. Deeper processes are moved to the top level.
 */
#define MAX_DEPTH 100

struct cpu_times {
	unsigned int cpu;
	u64 ns[NR_STATS];
};

struct cpu_report {
	struct tukur_snapshot snapshot;
	u64 at_ns;
	unsigned long load[3];
	struct cpu_times all;
	struct cpu_times *cpus;
	unsigned int cpu_count;
	/* Index of a task << 1, with bit 0 set where the task ends; two steps for each task. */
	u32 *traversal;
};

/* Indexed like the tasks: the tree from which the traversal is built. */
struct link {
	u32 parent;
	u32 first;
	u32 next;
};

struct tree {
	struct link *links;
	u32 first;
	u32 last;
};

/* clang-format off */
static const char *const mode_names[] = {
	[CPUTIME_USER] = "user_ns",
	[CPUTIME_NICE] = "nice_ns",
	[CPUTIME_SYSTEM] = "system_ns",
	[CPUTIME_SOFTIRQ] = "softirq_ns",
	[CPUTIME_IRQ] = "irq_ns",
	[CPUTIME_IDLE] = "idle_ns",
	[CPUTIME_IOWAIT] = "iowait_ns",
	[CPUTIME_STEAL] = "steal_ns",
	[CPUTIME_GUEST] = "guest_ns",
	[CPUTIME_GUEST_NICE] = "guest_nice_ns",
};

/* clang-format on */

static u32 find_pid(const struct tukur_snapshot *snapshot, u32 pid)
{
	u32 low = 0, high = snapshot->count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (snapshot->tasks[middle].pid < pid)
			low = middle + 1;
		else
			high = middle;
	}
	return low < snapshot->count && snapshot->tasks[low].pid == pid ? low : NONE;
}

/*
 * A parent is older than its child. If it is not, the parent exited while the tasks
 * were read and its PID was reused; treating the new process as the parent could
 * even create a cycle.
 */
static u32 find_parent(const struct tukur_snapshot *snapshot, u32 child)
{
	const struct tukur_task *tasks = snapshot->tasks;
	u32 parent = tasks[child].ppid ? find_pid(snapshot, tasks[child].ppid) : NONE;

	if (parent == NONE || tasks[parent].start_ns > tasks[child].start_ns)
		return NONE;
	if (tasks[parent].start_ns == tasks[child].start_ns && parent >= child)
		return NONE;
	return parent;
}

static void build_tree(struct tree *tree, const struct tukur_snapshot *snapshot)
{
	struct link *links = tree->links;
	u32 i, *first;

	tree->first = NONE;
	tree->last = NONE;
	for (i = 0; i < snapshot->count; i++)
		links[i].first = NONE;
	/* Prepend from the end, so that children are in ascending order of PID. */
	for (i = snapshot->count; i-- > 0;) {
		links[i].parent = find_parent(snapshot, i);
		first = links[i].parent == NONE ? &tree->first : &links[links[i].parent].first;
		links[i].next = *first;
		*first = i;
		if (links[i].parent == NONE && tree->last == NONE)
			tree->last = i;
		if (!(i % 1024))
			cond_resched();
	}
}

/* Appends the children of @parent to the top level. */
static void move_to_top(struct tree *tree, u32 parent)
{
	struct link *links = tree->links;
	u32 child = links[parent].first;

	links[parent].first = NONE;
	links[tree->last].next = child;
	for (; child != NONE; child = links[child].next) {
		links[child].parent = NONE;
		tree->last = child;
	}
}

static void build_traversal(struct tree *tree, u32 *traversal)
{
	struct link *links = tree->links;
	u32 task = tree->first, steps = 0, depth = 1;

	while (task != NONE) {
		traversal[steps++] = task << 1;
		if (links[task].first != NONE && depth == MAX_DEPTH)
			move_to_top(tree, task);
		if (links[task].first != NONE) {
			task = links[task].first;
			depth++;
			continue;
		}
		traversal[steps++] = task << 1 | 1;
		while (task != NONE && links[task].next == NONE) {
			task = links[task].parent;
			depth--;
			if (task != NONE)
				traversal[steps++] = task << 1 | 1;
		}
		if (task != NONE)
			task = links[task].next;
		if (!(steps % 1024))
			cond_resched();
	}
}

static size_t traversal_bytes(const struct cpu_report *report)
{
	return max_t(size_t, report->snapshot.count, 1) * 2 * sizeof(*report->traversal);
}

static int build_nesting(struct cpu_report *report)
{
	struct tukur_budget *budget = report->snapshot.budget;
	size_t bytes = max_t(size_t, report->snapshot.count, 1) * sizeof(struct link);
	struct tree tree;
	int err;

	tree.links = tukur_alloc(budget, bytes, &err);
	if (!tree.links)
		return err;
	report->traversal = tukur_alloc(budget, traversal_bytes(report), &err);
	if (report->traversal) {
		build_tree(&tree, &report->snapshot);
		build_traversal(&tree, report->traversal);
		err = 0;
	}
	tukur_free(budget, tree.links, bytes);
	return err;
}

/* As in /proc/stat: the counters of an idle CPU without a tick are not updated. */
static void read_times(struct cpu_times *times, unsigned int cpu)
{
	struct kernel_cpustat stat;
	u64 us;
	int mode;

	kcpustat_cpu_fetch(&stat, cpu);
	times->cpu = cpu;
	for (mode = 0; mode < ARRAY_SIZE(mode_names); mode++)
		times->ns[mode] = stat.cpustat[mode];
	if (!cpu_online(cpu))
		return;
	us = get_cpu_idle_time_us(cpu, NULL);
	if (us != U64_MAX)
		times->ns[CPUTIME_IDLE] = us * NSEC_PER_USEC;
	us = get_cpu_iowait_time_us(cpu, NULL);
	if (us != U64_MAX)
		times->ns[CPUTIME_IOWAIT] = us * NSEC_PER_USEC;
}

static int read_machine(struct cpu_report *report)
{
	struct cpu_times times = {};
	unsigned int cpu, count = 0;
	int mode;

	report->cpus = kvcalloc(num_possible_cpus(), sizeof(*report->cpus), GFP_KERNEL_ACCOUNT);
	if (!report->cpus)
		return -ENOMEM;
	report->at_ns = ktime_get_boottime_ns();
	memcpy(report->load, avenrun, sizeof(report->load));
	for_each_possible_cpu(cpu) {
		read_times(&times, cpu);
		for (mode = 0; mode < ARRAY_SIZE(mode_names); mode++)
			report->all.ns[mode] += times.ns[mode];
		if (cpu_online(cpu))
			report->cpus[count++] = times;
	}
	report->cpu_count = count;
	return 0;
}

static void free_report(struct cpu_report *report)
{
	if (report->traversal)
		tukur_free(report->snapshot.budget, report->traversal, traversal_bytes(report));
	tukur_snapshot_free(&report->snapshot);
	kvfree(report->cpus);
	kfree(report);
}

static void print_times(struct seq_file *out, const struct cpu_times *times)
{
	int mode;

	for (mode = 0; mode < ARRAY_SIZE(mode_names); mode++)
		seq_printf(out, "%s\"%s\":%llu", mode ? "," : "", mode_names[mode],
			   times->ns[mode]);
	seq_putc(out, '}');
}

static void print_load(struct seq_file *out, unsigned long load)
{
	/* Rounded to hundredths. */
	load += FIXED_1 / 200;
	seq_printf(out, "%lu.%02lu", LOAD_INT(load), LOAD_FRAC(load));
}

static void print_header(struct seq_file *out, const struct cpu_report *report)
{
	int i;

	seq_printf(out, "{\"at_ns\":%llu,\n\"load\":[", report->at_ns);
	for (i = 0; i < ARRAY_SIZE(report->load); i++) {
		if (i)
			seq_putc(out, ',');
		print_load(out, report->load[i]);
	}
	seq_puts(out, "],\n\"cpu\":{");
	print_times(out, &report->all);
	seq_puts(out, ",\n\"cpus\":[");
}

static void print_cpu(struct seq_file *out, const struct cpu_report *report, unsigned int i)
{
	seq_printf(out, "%s{\"cpu\":%u,", i ? ",\n" : "\n", report->cpus[i].cpu);
	print_times(out, &report->cpus[i]);
	if (i + 1 == report->cpu_count)
		seq_printf(out, "],\n\"process_count\":%u,\n\"processes\":[",
			   report->snapshot.count);
}

static void print_process(struct seq_file *out, const struct tukur_task *task)
{
	seq_printf(out, "\n{\"pid\":%u,\"parent\":%u,\"name\":", task->pid, task->ppid);
	tukur_json_string(out, task->comm, sizeof(task->comm));
	seq_printf(out, ",\"uid\":%u,\"state\":\"%c\",\"kernel_thread\":%s,\"threads\":%u",
		   task->uid, task->state, task->flags & TUKUR_TASK_KTHREAD ? "true" : "false",
		   task->threads);
	seq_printf(out, ",\"start_ns\":%llu,\"cpu_ns\":%llu,\"user_ns\":%llu,\"system_ns\":%llu",
		   task->start_ns, task->cpu_ns, task->utime_ns, task->stime_ns);
	seq_puts(out, ",\"children\":[");
}

static void print_step(struct seq_file *out, const struct cpu_report *report, u32 i)
{
	u32 step = report->traversal[i];

	if (step & 1) {
		seq_puts(out, "]}");
		return;
	}
	/* Another task ended just before: a sibling. */
	if (i && report->traversal[i - 1] & 1)
		seq_putc(out, ',');
	print_process(out, &report->snapshot.tasks[step >> 1]);
}

/* Positions: the header, each CPU, each step of the traversal, the end. */
static void *cpu_start(struct seq_file *out, loff_t *position)
{
	struct cpu_report *report = out->private;
	loff_t end = 1 + (loff_t)report->cpu_count + (loff_t)report->snapshot.count * 2;

	return *position <= end ? report : NULL;
}

static void *cpu_next(struct seq_file *out, void *report, loff_t *position)
{
	++*position;
	return cpu_start(out, position);
}

static void cpu_stop(struct seq_file *out, void *report)
{
}

static int cpu_show(struct seq_file *out, void *unused)
{
	struct cpu_report *report = out->private;
	loff_t position = out->index;

	if (!position)
		print_header(out, report);
	else if (position <= report->cpu_count)
		print_cpu(out, report, position - 1);
	else if (position <= report->cpu_count + (loff_t)report->snapshot.count * 2)
		print_step(out, report, position - 1 - report->cpu_count);
	else
		seq_puts(out, "\n]}\n");
	return 0;
}

static const struct seq_operations cpu_seq = {
	.start = cpu_start,
	.next = cpu_next,
	.stop = cpu_stop,
	.show = cpu_show,
};

static int fill_report(struct cpu_report *report, struct tukur_view *view)
{
	struct tukur_walk walk = { .view = view, .fill = tukur_fill_usage };
	int err;

	report->snapshot.budget = &tukur_cpu_budget;
	err = tukur_snapshot_take(&report->snapshot, &walk);
	if (!err)
		err = build_nesting(report);
	return err ?: read_machine(report);
}

static int cpu_open(struct inode *inode, struct file *file)
{
	struct tukur_view view;
	struct cpu_report *report;
	int err;

	err = tukur_view_open(&view, file, tukur_access, tukur_gid);
	if (err)
		return err;
	report = kzalloc(sizeof(*report), GFP_KERNEL_ACCOUNT);
	err = report ? fill_report(report, &view) : -ENOMEM;
	tukur_view_close(&view);
	if (!err)
		err = seq_open(file, &cpu_seq);
	if (!err)
		((struct seq_file *)file->private_data)->private = report;
	else if (report)
		free_report(report);
	return err;
}

static int cpu_release(struct inode *inode, struct file *file)
{
	free_report(((struct seq_file *)file->private_data)->private);
	return seq_release(inode, file);
}

const struct proc_ops tukur_cpu_ops = {
	.proc_open = cpu_open,
	.proc_read_iter = seq_read_iter,
	.proc_lseek = seq_lseek,
	.proc_release = cpu_release,
};
