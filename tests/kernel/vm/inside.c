// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the scripts in the virtual machine need and busybox does not have.
 *
 *   inside storm COUNT           start COUNT programs one after another, tell what wait4() says of each
 *   inside burst COUNT           COUNT processes that end at once, without exec
 *   inside chain COUNT SECONDS   every process the only child of the one before
 *   inside named HEX COUNT SECONDS   COUNT sleeping processes whose name is these bytes
 *   inside threads COUNT SECONDS     one process with so many threads, each of which worked a little
 *   inside mainless UID MIB      "mainless", whose main thread ends; two others live, the first as UID, with so much memory
 *   inside zombie SECONDS        a child that nobody waits for
 *   inside as UID GID COMMAND... as another user, in one group
 *   inside niced NICE COMMAND... with another niceness
 *   inside newpids COMMAND...    in a PID namespace of its own, with its /proc
 *   inside readers COUNT FILE    COUNT processes that have the file open at once; tells how it went
 *   inside early COUNT FILE      open, read some bytes, close
 *   inside hold FILE SECONDS     open, read some, then read on after a while
 *   inside pieces FILE           read all records one by one, seeking back in between
 *   inside drain FILE SECONDS    read what comes, to standard output
 *   inside late FILE PIPE        open, and read when something comes through the pipe
 *   inside names COUNT           COUNT processes that end, each with a name of its own
 *   inside large MIB             a large process that starts small ones in each way; tells kind and PID of each
 *   inside grown MIB             a process that touches so much and ends
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/types.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tukur_record.h"

static void fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

/* Mostly in user mode. */
static void work(long ms)
{
	struct timespec start, now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
	do {
		for (volatile int at = 0; at < 20000; at++)
			;
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	} while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 < ms);
}

static int storm(long count)
{
	struct rusage usage;
	int status;

	while (count--) {
		char tag[32];
		pid_t pid;

		snprintf(tag, sizeof(tag), "tag-%ld", count);
		pid = fork();
		if (pid < 0)
			fail("fork");
		if (!pid) {
			execl("/bin/inside", "inside", "quick", tag, NULL);
			_exit(127);
		}
		if (wait4(pid, &status, 0, &usage) != pid)
			fail("wait4");
		printf("%d %d %ld %s\n", pid, status,
		       (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000L +
			       usage.ru_utime.tv_usec + usage.ru_stime.tv_usec,
		       tag);
	}
	return 0;
}

static int burst(long count)
{
	while (count) {
		int at, some = count < 50 ? count : 50;

		for (at = 0; at < some; at++)
			if (!fork())
				_exit(3);
		for (at = 0; at < some; at++)
			if (wait(NULL) < 0)
				fail("wait");
		count -= some;
	}
	return 0;
}

/*
 * Each link becomes the program anew: of forks alone, one in another, the kernel
 * remembers all generations for each piece of memory, which is quadratic.
 */
static int link_on(long count, const char *seconds, const char *ready)
{
	char left[32];
	pid_t pid;

	if (!count) {
		if (write(atoi(ready), "", 1) != 1)
			fail("write");
		sleep(atoi(seconds));
		return 0;
	}
	pid = fork();
	if (pid < 0)
		fail("fork");
	if (!pid) {
		snprintf(left, sizeof(left), "%ld", count - 1);
		execl("/bin/inside", "inside", "link", left, seconds, ready, NULL);
		fail("exec");
	}
	pause();
	return 0;
}

static int chain(long count, const char *seconds)
{
	char ready[32], byte;
	int ends[2];

	if (pipe(ends))
		fail("pipe");
	snprintf(ready, sizeof(ready), "%d", ends[1]);
	if (!fork())
		return link_on(count - 1, seconds, ready);
	close(ends[1]);
	/* The first one waits until the last has begun. */
	if (read(ends[0], &byte, 1) != 1)
		fail("the chain broke");
	printf("chained\n");
	fflush(stdout);
	pause();
	return 0;
}

static int named(const char *hex, long count, long seconds)
{
	char name[32] = "";

	for (int at = 0; at < 31 && hex[2 * at] && hex[2 * at + 1]; at++)
		sscanf(hex + 2 * at, "%2hhx", (unsigned char *)&name[at]);
	while (--count > 0)
		if (!fork())
			break;
	prctl(PR_SET_NAME, name);
	sleep(seconds);
	return 0;
}

static void *thread(void *unused)
{
	work(30);
	pause();
	return NULL;
}

static int threads(long count, long seconds)
{
	pthread_t made;

	while (--count > 0)
		if (pthread_create(&made, NULL, thread, NULL))
			fail("pthread_create");
	sleep(seconds);
	return 0;
}

static long mainless_args[2];

static void *idle(void *unused)
{
	for (;;)
		pause();
	return unused;
}

static void *survivor(void *unused)
{
	long uid = mainless_args[0], bytes = mainless_args[1] << 20;
	char *area = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (area == MAP_FAILED)
		fail("mmap");
	memset(area, 1, bytes);
	/* The C library's own would do it in every thread. */
	if (syscall(SYS_setresuid, uid, uid, uid))
		fail("setresuid");
	return idle(unused);
}

static int mainless(long uid, long mib)
{
	pthread_t made;

	mainless_args[0] = uid;
	mainless_args[1] = mib;
	prctl(PR_SET_NAME, "mainless");
	if (pthread_create(&made, NULL, survivor, NULL) || pthread_create(&made, NULL, idle, NULL))
		fail("pthread_create");
	pthread_exit(NULL);
}

static int zombie(long seconds)
{
	if (!fork())
		_exit(7);
	sleep(seconds);
	return 0;
}

static int as(char **args)
{
	gid_t gid = atoi(args[1]);

	if (setgroups(1, &gid) || setgid(gid) || setuid(atoi(args[0])))
		fail("setuid");
	execvp(args[2], args + 2);
	fail(args[2]);
	return 1;
}

static int niced(char **args)
{
	if (setpriority(PRIO_PROCESS, 0, atoi(args[0])))
		fail("setpriority");
	execvp(args[1], args + 1);
	fail(args[1]);
	return 1;
}

static int newpids(char **args)
{
	int status = 0;
	pid_t pid;

	if (unshare(CLONE_NEWPID | CLONE_NEWNS))
		fail("unshare");
	pid = fork();
	if (!pid) {
		mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
		if (mount("proc", "/proc", "proc", 0, NULL))
			fail("mount");
		execvp(args[0], args);
		fail(args[0]);
	}
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

static long read_all(int fd)
{
	static char bytes[1 << 16];
	long total = 0;
	ssize_t got;

	while ((got = read(fd, bytes, sizeof(bytes))) > 0)
		total += got;
	return got < 0 ? -errno : total;
}

/* All of them have the file open before the first one reads on. */
static int readers(long count, const char *file)
{
	int opened[2], go[2], refused = 0, whole = 0, other = 0;
	char byte;

	if (pipe(opened) || pipe(go))
		fail("pipe");
	for (long at = 0; at < count; at++) {
		pid_t pid = fork();
		int fd, error;

		if (pid < 0)
			fail("fork");
		if (pid)
			continue;
		close(go[1]);
		fd = open(file, O_RDONLY);
		error = fd < 0 ? errno : 0;
		if (write(opened[1], "", 1) != 1 || read(go[0], &byte, 1))
			_exit(9);
		if (error)
			_exit(error == EAGAIN ? 1 : 2);
		_exit(read_all(fd) > 1000 ? 0 : 3);
	}
	for (long at = 0; at < count; at++)
		if (read(opened[0], &byte, 1) != 1)
			fail("read");
	close(go[1]);
	for (long at = 0; at < count; at++) {
		int status;

		wait(&status);
		if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
			other++;
		else if (WEXITSTATUS(status))
			refused++;
		else
			whole++;
	}
	printf("whole %d refused %d other %d\n", whole, refused, other);
	return 0;
}

static int early(long count, const char *file)
{
	char bytes[100];

	while (count--) {
		int fd = open(file, O_RDONLY);

		if (fd < 0 || read(fd, bytes, sizeof(bytes)) <= 0)
			fail(file);
		close(fd);
	}
	return 0;
}

static int hold(const char *file, long seconds)
{
	char bytes[4096];
	int fd = open(file, O_RDONLY);

	if (fd < 0)
		fail(file);
	if (read(fd, bytes, sizeof(bytes)) < 0)
		fail("first read");
	printf("holding\n");
	fflush(stdout);
	sleep(seconds);
	if (read(fd, bytes, sizeof(bytes)) < 0)
		printf("then: %s\n", strerror(errno));
	else
		printf("then: read\n");
	return 0;
}

static int pieces(const char *file)
{
	struct tukur_stream header;
	struct tukur_task record, again;
	int fd = open(file, O_RDONLY);
	unsigned int last = 0, count = 0;
	off_t at;

	if (fd < 0 || read(fd, &header, sizeof(header)) != sizeof(header))
		fail(file);
	if (read(fd, &record, sizeof(record) - 1) != -1 || errno != EINVAL)
		printf("less than a record was read\n");
	for (;;) {
		at = lseek(fd, 0, SEEK_CUR);
		if (read(fd, &record, sizeof(record)) != sizeof(record))
			break;
		if (record.pid <= last)
			printf("pid %u after %u\n", record.pid, last);
		last = record.pid;
		count++;
		if (pread(fd, &again, sizeof(again), at) != sizeof(again) || again.pid != record.pid)
			printf("pid %u is not where it was\n", record.pid);
	}
	if (lseek(fd, 0, SEEK_SET) || read(fd, &header, sizeof(header)) != sizeof(header) ||
	    header.magic != TUKUR_STREAM_MAGIC)
		printf("did not rewind\n");
	printf("magic %x version %u size %u records %u\n", header.magic, header.version,
	       header.record_size, count);
	return 0;
}

static int drain(const char *file, double seconds)
{
	static char bytes[2 << 20];
	struct timespec pause = { 0, 50000000 };
	int fd = open(file, O_RDONLY);

	if (fd < 0)
		fail(file);
	fprintf(stderr, "draining\n");
	for (long turns = seconds * 20; turns > 0; turns--) {
		ssize_t got;

		while ((got = read(fd, bytes, sizeof(bytes))) > 0)
			if (write(1, bytes, got) != got)
				fail("write");
		if (got < 0)
			fail("read");
		nanosleep(&pause, NULL);
	}
	return 0;
}

/* Opens at once, reads all there is when something came through the pipe. */
static int late(const char *file, const char *pipe)
{
	static char bytes[1000];
	int fd = open(file, O_RDONLY), go;
	ssize_t got;

	if (fd < 0)
		fail(file);
	go = open(pipe, O_RDONLY);
	if (go < 0 || read(go, bytes, 1) != 1)
		fail(pipe);
	/* Small reads, so that groups are handed out over several of them. */
	while ((got = read(fd, bytes, sizeof(bytes))) > 0)
		if (write(1, bytes, got) != got)
			fail("write");
	return got ? 1 : 0;
}

/* Lives that end each under a name of its own. */
static int names(long count)
{
	char name[32];

	while (count--) {
		pid_t pid = fork();

		if (!pid) {
			snprintf(name, sizeof(name), "name-%ld", count);
			prctl(PR_SET_NAME, name);
			_exit(0);
		}
		if (waitpid(pid, NULL, 0) != pid)
			fail("waitpid");
	}
	return 0;
}

static void touch(long mib)
{
	char *memory = malloc(mib << 20);

	if (!memory)
		fail("malloc");
	memset(memory, 1, mib << 20);
	/* Or the compiler leaves it out. */
	__asm__ volatile("" : : "r"(memory) : "memory");
}

static void started(const char *kind, pid_t pid)
{
	if (waitpid(pid, NULL, 0) != pid)
		fail("waitpid");
	printf("%s %d\n", kind, pid);
}

static int large(long mib)
{
	char more[32];
	pid_t pid;

	snprintf(more, sizeof(more), "%ld", 2 * mib);
	touch(mib);
	pid = fork();
	if (!pid)
		_exit(0);
	started("forked", pid);
	pid = fork();
	if (!pid)
		_exit(execl("/bin/inside", "inside", "quick", NULL));
	started("fork-exec", pid);
	pid = vfork();
	if (!pid)
		_exit(0);
	started("vforked", pid);
	pid = vfork();
	if (!pid)
		_exit(execl("/bin/inside", "inside", "quick", NULL));
	started("vfork-exec", pid);
	pid = vfork();
	if (!pid)
		_exit(execl("/bin/inside", "inside", "grown", more, NULL));
	started("grown", pid);
	return 0;
}

#define NUMBER(at) (argc > (at) ? atol(argv[at]) : 0)

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (!strcmp(what, "quick"))
		return work(2), 5;
	if (!strcmp(what, "storm"))
		return storm(NUMBER(2));
	if (!strcmp(what, "burst"))
		return burst(NUMBER(2));
	if (!strcmp(what, "chain"))
		return chain(NUMBER(2), argc > 3 ? argv[3] : "0");
	if (!strcmp(what, "link") && argc > 4)
		return link_on(NUMBER(2), argv[3], argv[4]);
	if (!strcmp(what, "named") && argc > 4)
		return named(argv[2], NUMBER(3), NUMBER(4));
	if (!strcmp(what, "threads"))
		return threads(NUMBER(2), NUMBER(3));
	if (!strcmp(what, "mainless"))
		return mainless(NUMBER(2), NUMBER(3));
	if (!strcmp(what, "zombie"))
		return zombie(NUMBER(2));
	if (!strcmp(what, "as") && argc > 4)
		return as(argv + 2);
	if (!strcmp(what, "niced") && argc > 3)
		return niced(argv + 2);
	if (!strcmp(what, "newpids") && argc > 2)
		return newpids(argv + 2);
	if (!strcmp(what, "readers") && argc > 3)
		return readers(NUMBER(2), argv[3]);
	if (!strcmp(what, "early") && argc > 3)
		return early(NUMBER(2), argv[3]);
	if (!strcmp(what, "hold") && argc > 3)
		return hold(argv[2], NUMBER(3));
	if (!strcmp(what, "pieces") && argc > 2)
		return pieces(argv[2]);
	if (!strcmp(what, "drain") && argc > 3)
		return drain(argv[2], atof(argv[3]));
	if (!strcmp(what, "late") && argc > 3)
		return late(argv[2], argv[3]);
	if (!strcmp(what, "names"))
		return names(NUMBER(2));
	if (!strcmp(what, "large"))
		return large(NUMBER(2));
	if (!strcmp(what, "grown"))
		return touch(NUMBER(2)), 0;
	fprintf(stderr, "no such work: %s\n", what);
	return 2;
}
