/*
 * NAME MIB: a process whose main thread ends while another goes on, with so much memory of its own.
 *
 * It calls itself "worker", and says "ready" once its main thread has ended. Each "child" on its standard
 * input makes one child that ends at once and is never collected, whose PID it says.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
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
		pid_t child = fork();

		if (!child)
			_exit(3);
		printf("%d\n", child);
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
