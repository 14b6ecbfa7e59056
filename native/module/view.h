/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who may open a file of the module, and which processes that reader sees.
 *
 * Both are decided when the file is opened, from the opener's credentials and PID
 * namespace: a descriptor passed to another process shows what its opener could see.
 */
#ifndef TUKUR_VIEW_H
#define TUKUR_VIEW_H

#include <linux/cred.h>
#include <linux/ctype.h>
#include <linux/fs.h>
#include <linux/namei.h>
#include <linux/pid_namespace.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>
#include <linux/uidgid.h>

/* The parameter access= */
#define TUKUR_ACCESS_ALL 0   /* everyone sees every process */
#define TUKUR_ACCESS_OWN 1   /* everyone sees the processes they own */
#define TUKUR_ACCESS_GROUP 2 /* root and the members of gid= may open */

#define TUKUR_NAME_MAX 63

struct tukur_view {
	struct pid_namespace *ns;
	kuid_t uid;
	bool all;
	struct user_namespace *user_ns;
};

static inline bool tukur_trusted(const struct cred *cred, int gid)
{
	if (uid_eq(cred->fsuid, GLOBAL_ROOT_UID))
		return true;
	/* Called only from open(), where current is the opener. */
	return gid >= 0 && in_group_p(make_kgid(&init_user_ns, gid));
}

/* Takes a reference on the PID namespace; the user namespace lives as long as the file. */
static inline int tukur_view_open(struct tukur_view *view, const struct file *file, int access,
				  int gid)
{
	const struct cred *cred = file->f_cred;

	view->all = access == TUKUR_ACCESS_ALL || tukur_trusted(cred, gid);
	if (access == TUKUR_ACCESS_GROUP && !view->all)
		return -EACCES;
	view->uid = cred->fsuid;
	view->user_ns = cred->user_ns;
	view->ns = get_pid_ns(task_active_pid_ns(current));
	return 0;
}

static inline void tukur_view_close(struct tukur_view *view)
{
	put_pid_ns(view->ns);
}

/* Called under RCU. As for ptrace() and hidepid=, all three user IDs of an own process match. */
static inline bool tukur_is_visible(const struct tukur_view *view, struct task_struct *task)
{
	const struct cred *cred;

	if (view->all)
		return true;
	cred = __task_cred(task);
	return uid_eq(view->uid, cred->euid) && uid_eq(view->uid, cred->suid) &&
	       uid_eq(view->uid, cred->uid);
}

static inline int tukur_check_access(int access, int gid)
{
	if (access < TUKUR_ACCESS_ALL || access > TUKUR_ACCESS_GROUP) {
		pr_err("access=%d: expected 0 (everyone sees all), 1 (everyone sees their own) or 2 (root and gid=)\n",
		       access);
		return -EINVAL;
	}
	if (gid < -1) {
		pr_err("gid=%d: expected the number of a group, or -1 for none\n", gid);
		return -EINVAL;
	}
	return 0;
}

static inline int tukur_check_name(const char *name)
{
	size_t length = strlen(name), i;

	if (!length || length > TUKUR_NAME_MAX) {
		pr_err("proc_name= has %zu characters: expected 1 to %d\n", length, TUKUR_NAME_MAX);
		return -EINVAL;
	}
	for (i = 0; i < length; i++) {
		if (isascii(name[i]) &&
		    (isalnum(name[i]) || (i && strchr("_.-", name[i])) || name[i] == '_'))
			continue;
		pr_err("proc_name=: character %zu is not allowed: expected letters, digits, and after the first '_', '.' or '-'\n",
		       i + 1);
		return -EINVAL;
	}
	if (isdigit(name[0])) {
		pr_err("proc_name=%s begins with a digit, as the folders of processes do\n", name);
		return -EINVAL;
	}
	return 0;
}

/* proc_create() checks this as well, but logs a warning with a stack trace. */
static inline bool tukur_name_taken(const char *name)
{
	char path_name[sizeof("/proc/") + TUKUR_NAME_MAX];
	struct path path;

	snprintf(path_name, sizeof(path_name), "/proc/%s", name);
	if (kern_path(path_name, 0, &path))
		return false;
	path_put(&path);
	return true;
}

static inline int tukur_proc_create(struct proc_dir_entry **entry, const char *name,
				    const struct proc_ops *ops, int access, int gid)
{
	umode_t mode = access != TUKUR_ACCESS_GROUP ? 0444 : gid >= 0 ? 0440 : 0400;

	if (tukur_name_taken(name)) {
		pr_err("/proc/%s exists already\n", name);
		return -EEXIST;
	}
	*entry = proc_create_data(name, mode, NULL, ops, NULL);
	if (!*entry)
		return -ENOMEM;
	proc_set_user(*entry, GLOBAL_ROOT_UID, make_kgid(&init_user_ns, gid >= 0 ? gid : 0));
	return 0;
}

#endif /* TUKUR_VIEW_H */
