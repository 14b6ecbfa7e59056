// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/tukur_tasks: every process as a tukur_task, in the order of their PIDs.
 *
 * The file position is 0 at the start, and after the header the lowest PID that was
 * not returned yet. A read therefore continues where the previous one ended, even if
 * processes started or exited in between, and an open file needs no state but its view.
 */
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "cpu.h"
#include "walk.h"

/* Records filled under RCU before they are copied to user space, which may sleep. */
#define BATCH 89 /* in 16 KiB */

static void fill_task(struct tukur_task *record, struct task_struct *task)
{
	tukur_fill_usage(record, task);
	tukur_fill_memory(record, task);
	tukur_fill_cgroup(record, task);
}

static int tasks_open(struct inode *inode, struct file *file)
{
	struct tukur_view *view;
	int err;

	view = kmalloc(sizeof(*view), GFP_KERNEL_ACCOUNT);
	if (!view)
		return -ENOMEM;
	err = tukur_view_open(view, file, tukur_access, tukur_gid);
	if (err)
		kfree(view);
	else
		file->private_data = view;
	return err;
}

static int tasks_release(struct inode *inode, struct file *file)
{
	tukur_view_close(file->private_data);
	kfree(file->private_data);
	return 0;
}

/* Returns the bytes of complete records copied to @to; the walk is where the next read starts. */
static ssize_t copy_records(struct tukur_walk *walk, char __user *to, size_t size)
{
	struct tukur_task *batch;
	unsigned int filled;
	ssize_t done = 0;
	int from;

	batch = kmalloc_array(BATCH, sizeof(*batch), GFP_KERNEL);
	if (!batch)
		return -ENOMEM;
	while (!walk->done && size - done >= sizeof(*batch)) {
		from = walk->next;
		filled = tukur_walk(walk, batch,
				    min_t(size_t, BATCH, (size - done) / sizeof(*batch)));
		if (copy_to_user(to + done, batch, filled * sizeof(*batch))) {
			walk->next = from;
			if (!done)
				done = -EFAULT;
			break;
		}
		done += filled * sizeof(*batch);
		if (fatal_signal_pending(current))
			break;
		cond_resched();
	}
	kfree(batch);
	return done;
}

static ssize_t tasks_read(struct file *file, char __user *to, size_t size, loff_t *position)
{
	static const struct tukur_stream header = {
		.magic = TUKUR_STREAM_MAGIC,
		.version = TUKUR_RECORD_VERSION,
		.record_size = sizeof(struct tukur_task),
	};
	struct tukur_walk walk = { .view = file->private_data, .fill = fill_task };
	ssize_t header_bytes = 0, copied;

	if (*position > INT_MAX)
		return 0;
	walk.next = *position;
	if (!*position) {
		if (size < sizeof(header))
			return -EINVAL;
		if (copy_to_user(to, &header, sizeof(header)))
			return -EFAULT;
		header_bytes = sizeof(header);
		walk.next = 1;
	} else if (size < sizeof(struct tukur_task)) {
		return -EINVAL;
	}
	copied = copy_records(&walk, to + header_bytes, size - header_bytes);
	if (copied < 0 && !header_bytes)
		return copied;
	*position = walk.next;
	return header_bytes + max_t(ssize_t, copied, 0);
}

const struct proc_ops tukur_tasks_ops = {
	.proc_open = tasks_open,
	.proc_read = tasks_read,
	.proc_lseek = no_seek_end_llseek,
	.proc_release = tasks_release,
};
