// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/tukur_tasks: every process as a tukur_task, in the order of their PIDs.
 *
 * The file position is 0 for the beginning, and after the header the lowest PID
 * that was not handed out yet: so a read goes on where another ended, whatever
 * came or went in between, and nothing is kept for an open file but its view.
 */
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "cpu.h"
#include "walk.h"

/* Records put together under RCU before they are copied to the reader, which may sleep. */
#define BATCH 89 /* in 16 KiB */

static void put_whole(struct tukur_task *record, struct task_struct *task)
{
	tukur_put_usage(record, task);
	tukur_put_memory(record, task);
	tukur_put_cgroup(record, task);
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

/* Bytes of whole records written to @to; the walk stands where the next read goes on. */
static ssize_t copy_records(struct tukur_walk *walk, char __user *to, size_t room)
{
	struct tukur_task *batch;
	unsigned int filled;
	ssize_t done = 0;
	int from;

	batch = kmalloc_array(BATCH, sizeof(*batch), GFP_KERNEL);
	if (!batch)
		return -ENOMEM;
	while (!walk->done && room - done >= sizeof(*batch)) {
		from = walk->next;
		filled = tukur_walk(walk, batch,
				    min_t(size_t, BATCH, (room - done) / sizeof(*batch)));
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

static ssize_t tasks_read(struct file *file, char __user *to, size_t room, loff_t *position)
{
	static const struct tukur_stream header = {
		.magic = TUKUR_STREAM_MAGIC,
		.version = TUKUR_RECORD_VERSION,
		.record_size = sizeof(struct tukur_task),
	};
	struct tukur_walk walk = { .view = file->private_data, .put = put_whole };
	ssize_t begun = 0, copied;

	if (*position > INT_MAX)
		return 0;
	walk.next = *position;
	if (!*position) {
		if (room < sizeof(header))
			return -EINVAL;
		if (copy_to_user(to, &header, sizeof(header)))
			return -EFAULT;
		begun = sizeof(header);
		walk.next = 1;
	} else if (room < sizeof(struct tukur_task)) {
		return -EINVAL;
	}
	copied = copy_records(&walk, to + begun, room - begun);
	if (copied < 0 && !begun)
		return copied;
	*position = walk.next;
	return begun + max_t(ssize_t, copied, 0);
}

const struct proc_ops tukur_tasks_ops = {
	.proc_open = tasks_open,
	.proc_read = tasks_read,
	.proc_lseek = no_seek_end_llseek,
	.proc_release = tasks_release,
};
