/*
 * NAME MIB: a process whose main thread ends while another goes on, with so much memory of its own.
 *
 * It calls itself "worker", and says "ready" once its main thread has ended. It answers each line of its
 * standard input by one: "child" by the PID of a child that ended at once and is never collected, "uid" by
 * that of the user 1234, which it has become.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int main_lives(void)
{
	char path[64], text[256] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", getpid());
	file = fopen(path, "r");
	if (file) {
		fgets(text, sizeof(text), file);
		fclose(file);
	}
	return !strstr(text, ") Z ");
}

static void *worker(void *mib)
{
	size_t bytes = (size_t)mib << 20;
	char *area = malloc(bytes + 1), line[64];

	memset(area, 1, bytes);
	while (main_lives())
		usleep(1000);
	printf("ready\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		long said = 1234;

		if (!strcmp(line, "uid\n")) {
			/* The C library's own would do it in every thread. */
			if (syscall(SYS_setresuid, said, said, said))
				exit(1);
		} else {
			said = fork();
			if (!said)
				_exit(3);
		}
		printf("%ld\n", said);
		fflush(stdout);
	}
	for (;;)
		pause();
	return area;
}

int main(int argc, char **argv)
{
	pthread_t made;

	prctl(PR_SET_NAME, "worker");
	if (pthread_create(&made, NULL, worker, (void *)(argc > 1 ? atol(argv[1]) : 0)))
		return 1;
	pthread_exit(NULL);
}
