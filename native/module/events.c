// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/tukur_events: the life of every process, however short, as the
 * events of tukur_record.h.
 *
 * The probes on the kernel's tracepoints are registered only while the file is
 * open. They write into a ring that a single reader empties.
 *
 * PIDs are those of the initial PID namespace, which is the only one that may
 * read the file.
 */
#include <linux/bitops.h>
#include <linux/mutex.h>

#include "cpu.h"
#include "events.h"
#include "view.h"

/* Bit 0: the file is open. */
static unsigned long reader_busy;

/* Threads of the one reader may call read() at the same time. */
static DEFINE_MUTEX(reader_lock);
static bool header_copied;

static int start_events(void)
{
	int err = tukur_ring_alloc();

	if (err)
		return err;
	header_copied = false;
	err = tukur_probes_add();
	if (err)
		tukur_ring_free();
	return err;
}

static int events_open(struct inode *inode, struct file *file)
{
	int err;

	/* A reader in another namespace must not see the processes outside of it. */
	if (task_active_pid_ns(current) != &init_pid_ns)
		return -EPERM;
	if (!tukur_trusted(file->f_cred, tukur_gid))
		return -EACCES;
	if (test_and_set_bit_lock(0, &reader_busy))
		return -EBUSY;
	err = start_events();
	if (err) {
		clear_bit_unlock(0, &reader_busy);
		return err;
	}
	return stream_open(inode, file);
}

static int events_release(struct inode *inode, struct file *file)
{
	tukur_probes_remove();
	tukur_ring_free();
	clear_bit_unlock(0, &reader_busy);
	return 0;
}

static int read_header(struct tukur_sink *sink)
{
	static const struct tukur_stream header = {
		.magic = TUKUR_STREAM_MAGIC,
		.version = TUKUR_EVENT_VERSION,
	};
	int copied;

	if (header_copied)
		return 1;
	copied = tukur_copy_out(sink, &header, sizeof(header));
	header_copied = copied > 0;
	return copied;
}

/* Does not block: returns 0 if nothing has happened since the last read. */
static ssize_t events_read(struct file *file, char __user *to, size_t size, loff_t *position)
{
	struct tukur_sink sink = { .to = to, .capacity = size };
	int complete;

	if (mutex_lock_interruptible(&reader_lock))
		return -ERESTARTSYS;
	complete = read_header(&sink);
	if (complete > 0)
		complete = tukur_ring_read(&sink);
	mutex_unlock(&reader_lock);
	if (sink.done)
		return sink.done;
	/* 0 here: the buffer is too small for the next event. */
	return complete < 0 ? complete : complete ? 0 : -EINVAL;
}

const struct proc_ops tukur_events_ops = {
	.proc_open = events_open,
	.proc_read = events_read,
	.proc_lseek = noop_llseek,
	.proc_release = events_release,
};
