// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/tukur_cpu: CPU time of the machine and of every process, as JSON.
 *
 * The processes stand nested in their parents. How deep parents can be nested has
 * no bound, so the tree is not walked by recursion, which the kernel's small stack
 * would not bear, but beforehand, at open, into a list of steps down and up.
 */
#include <linux/kernel_stat.h>
#include <linux/sched/loadavg.h>
#include <linux/seq_file.h>
#include <linux/tick.h>
#include <linux/timekeeping.h>

#include "cpu.h"
#include "json.h"
#include "snapshot.h"

/* No task. */
#define NONE U32_MAX

/*
 * Generations in one another. Programs that read JSON have a limit to it: jq 1.6
 * takes 256 brackets, two for each generation. What is deeper begins again at the top.
 */
#define DEEPEST 100

struct cpu_times {
	unsigned int cpu;
	u64 ns[NR_STATS];
};

struct cpu_report {
	struct tukur_snapshot shot;
	u64 at_ns;
	unsigned long load[3];
	struct cpu_times all;
	struct cpu_times *cpus;
	unsigned int cpu_count;
	/* Number of a task << 1, and 1 where it is left again; 2 for each task. */
	u32 *tour;
};

/* By number of a task; the tree as it is while the tour is made. */
struct link {
	u32 up;
	u32 first;
	u32 next;
};

struct tree {
	struct link *links;
	u32 first;
	u32 last;
};

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

static u32 find_pid(const struct tukur_snapshot *shot, u32 pid)
{
	u32 low = 0, high = shot->count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (shot->tasks[middle].pid < pid)
			low = middle + 1;
		else
			high = middle;
	}
	return low < shot->count && shot->tasks[low].pid == pid ? low : NONE;
}

/*
 * A parent is older than its child. Where the numbers say otherwise, the parent
 * has gone while the tasks were read, and another process has its number; taken
 * for the parent, it could even close a circle.
 */
static u32 find_parent(const struct tukur_snapshot *shot, u32 child)
{
	const struct tukur_task *tasks = shot->tasks;
	u32 parent = tasks[child].ppid ? find_pid(shot, tasks[child].ppid) : NONE;

	if (parent == NONE || tasks[parent].start_ns > tasks[child].start_ns)
		return NONE;
	if (tasks[parent].start_ns == tasks[child].start_ns && parent >= child)
		return NONE;
	return parent;
}

static void plant(struct tree *tree, const struct tukur_snapshot *shot)
{
	struct link *links = tree->links;
	u32 at, *first;

	tree->first = NONE;
	tree->last = NONE;
	for (at = 0; at < shot->count; at++)
		links[at].first = NONE;
	/* From the end, each before those that are there: children come ascending by PID. */
	for (at = shot->count; at-- > 0;) {
		links[at].up = find_parent(shot, at);
		first = links[at].up == NONE ? &tree->first : &links[links[at].up].first;
		links[at].next = *first;
		*first = at;
		if (links[at].up == NONE && tree->last == NONE)
			tree->last = at;
		if (!(at % 1024))
			cond_resched();
	}
}

/* Those below @parent become the last ones at the top. */
static void move_to_top(struct tree *tree, u32 parent)
{
	struct link *links = tree->links;
	u32 child = links[parent].first;

	links[parent].first = NONE;
	links[tree->last].next = child;
	for (; child != NONE; child = links[child].next) {
		links[child].up = NONE;
		tree->last = child;
	}
}

static void make_tour(struct tree *tree, u32 *tour)
{
	struct link *links = tree->links;
	u32 at = tree->first, steps = 0, depth = 1;

	while (at != NONE) {
		tour[steps++] = at << 1;
		if (links[at].first != NONE && depth == DEEPEST)
			move_to_top(tree, at);
		if (links[at].first != NONE) {
			at = links[at].first;
			depth++;
			continue;
		}
		tour[steps++] = at << 1 | 1;
		while (at != NONE && links[at].next == NONE) {
			at = links[at].up;
			depth--;
			if (at != NONE)
				tour[steps++] = at << 1 | 1;
		}
		if (at != NONE)
			at = links[at].next;
		if (!(steps % 1024))
			cond_resched();
	}
}

static size_t tour_bytes(const struct cpu_report *report)
{
	return max_t(size_t, report->shot.count, 1) * 2 * sizeof(*report->tour);
}

static int nest(struct cpu_report *report)
{
	struct tukur_budget *budget = report->shot.budget;
	size_t bytes = max_t(size_t, report->shot.count, 1) * sizeof(struct link);
	struct tree tree;
	int err;

	tree.links = tukur_alloc(budget, bytes, &err);
	if (!tree.links)
		return err;
	report->tour = tukur_alloc(budget, tour_bytes(report), &err);
	if (report->tour) {
		plant(&tree, &report->shot);
		make_tour(&tree, report->tour);
		err = 0;
	}
	tukur_free(budget, tree.links, bytes);
	return err;
}

/* As /proc/stat: while a CPU without a tick idles, nobody adds to its counters. */
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
	if (report->tour)
		tukur_free(report->shot.budget, report->tour, tour_bytes(report));
	tukur_snapshot_free(&report->shot);
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

static void print_head(struct seq_file *out, const struct cpu_report *report)
{
	int at;

	seq_printf(out, "{\"at_ns\":%llu,\n\"load\":[", report->at_ns);
	for (at = 0; at < ARRAY_SIZE(report->load); at++) {
		if (at)
			seq_putc(out, ',');
		print_load(out, report->load[at]);
	}
	seq_puts(out, "],\n\"cpu\":{");
	print_times(out, &report->all);
	seq_puts(out, ",\n\"cpus\":[");
}

static void print_cpu(struct seq_file *out, const struct cpu_report *report, unsigned int at)
{
	seq_printf(out, "%s{\"cpu\":%u,", at ? ",\n" : "\n", report->cpus[at].cpu);
	print_times(out, &report->cpus[at]);
	if (at + 1 == report->cpu_count)
		seq_printf(out, "],\n\"process_count\":%u,\n\"processes\":[", report->shot.count);
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

static void print_step(struct seq_file *out, const struct cpu_report *report, u32 at)
{
	u32 step = report->tour[at];

	if (step & 1) {
		seq_puts(out, "]}");
		return;
	}
	/* Left another one just before: that was a sibling. */
	if (at && report->tour[at - 1] & 1)
		seq_putc(out, ',');
	print_process(out, &report->shot.tasks[step >> 1]);
}

/* Positions: the head, each CPU, each step of the tour, the end. */
static void *cpu_at(struct seq_file *out, loff_t *position)
{
	struct cpu_report *report = out->private;
	loff_t end = 1 + (loff_t)report->cpu_count + (loff_t)report->shot.count * 2;

	return *position <= end ? report : NULL;
}

static void *cpu_next(struct seq_file *out, void *report, loff_t *position)
{
	++*position;
	return cpu_at(out, position);
}

static void cpu_stop(struct seq_file *out, void *report)
{
}

static int cpu_show(struct seq_file *out, void *at)
{
	struct cpu_report *report = out->private;
	loff_t position = out->index;

	if (!position)
		print_head(out, report);
	else if (position <= report->cpu_count)
		print_cpu(out, report, position - 1);
	else if (position <= report->cpu_count + (loff_t)report->shot.count * 2)
		print_step(out, report, position - 1 - report->cpu_count);
	else
		seq_puts(out, "\n]}\n");
	return 0;
}

static const struct seq_operations cpu_seq = {
	.start = cpu_at,
	.next = cpu_next,
	.stop = cpu_stop,
	.show = cpu_show,
};

static int fill_report(struct cpu_report *report, struct tukur_view *view)
{
	struct tukur_walk walk = { .view = view, .put = tukur_put_usage };

	report->shot.budget = &tukur_cpu_budget;
	return tukur_snapshot_take(&report->shot, &walk) ?: nest(report) ?: read_machine(report);
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
