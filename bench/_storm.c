// Starts short lives and keeps the truth about them: for each PID what wait4() says it used.
//   storm run OUT COUNT SPIN_US PARALLEL [PROGRAM]   COUNT lives that spin so long, or lives of that program
//   storm life SPIN_US                               one of them
//   storm wrap OUT PROGRAM ARGUMENTS...              one other program
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void spin(long us)
{
	struct timespec now;
	long until;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	until = now.tv_sec * 1000000 + now.tv_nsec / 1000 + us;
	do
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	while (now.tv_sec * 1000000 + now.tv_nsec / 1000 < until);
}

static void note(int out, pid_t pid, const struct rusage *used, const char *name)
{
	char line[200];
	long us = used->ru_utime.tv_sec * 1000000 + used->ru_utime.tv_usec + used->ru_stime.tv_sec * 1000000 +
		  used->ru_stime.tv_usec;
	int length = snprintf(line, sizeof(line), "%d %ld %s\n", pid, us, name);

	// One write: several programs append to one file.
	if (write(out, line, length) != length)
		exit(3);
}

static pid_t start(char **arguments)
{
	pid_t pid = fork();

	if (pid < 0) {
		perror("fork");
		exit(3);
	}
	if (pid == 0) {
		execvp(arguments[0], arguments);
		perror(arguments[0]);
		_exit(127);
	}
	return pid;
}

int main(int argc, char **argv)
{
	struct rusage used;
	int status, out;
	pid_t pid;

	if (argc == 3 && !strcmp(argv[1], "life")) {
		spin(atol(argv[2]));
		return 0;
	}
	if (argc < 4)
		return 2;
	out = open(argv[2], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (out < 0)
		return 3;
	if (!strcmp(argv[1], "wrap")) {
		pid = start(argv + 3);
		while (wait4(pid, &status, 0, &used) < 0)
			;
		note(out, pid, &used, argv[3]);
		return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
	char *life[] = { argc > 6 ? argv[6] : "/proc/self/exe", "life", argv[4], 0 };
	int left = atoi(argv[3]), running = 0, most = atoi(argv[5]);
	while (left || running) {
		while (left && running < most) {
			start(life);
			left--;
			running++;
		}
		pid = wait4(-1, &status, 0, &used);
		if (pid > 0) {
			note(out, pid, &used, "life");
			running--;
		}
	}
	return 0;
}
