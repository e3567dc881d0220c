/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What one call of a program costs beside one of /bin/true: spawn COUNT INPUT PROGRAM [ARGUMENT …].  The two take turns, so that a busy machine slows both; standard
 * input is INPUT.  Prints the medians in microseconds and their ratio.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double call(char **argv, const char *input)
{
	posix_spawn_file_actions_t actions;
	double begun = now();
	int status;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, input, O_RDONLY, 0);
	if (posix_spawn(&pid, argv[0], &actions, NULL, argv, environ) != 0 || waitpid(pid, &status, 0) != pid || status != 0) {
		fprintf(stderr, "spawn: %s fails\n", argv[0]);
		exit(1);
	}
	posix_spawn_file_actions_destroy(&actions);
	return now() - begun;
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

int main(int argc, char **argv)
{
	char path[] = "/bin/true", *nothing[] = { path, NULL };
	int count = argc > 3 ? atoi(argv[1]) : 0, i;
	double *ours, *theirs;

	if (count < 1) {
		fprintf(stderr, "usage: spawn COUNT INPUT PROGRAM [ARGUMENT ...]\n");
		return 64;
	}
	ours = calloc((size_t)count, sizeof *ours);
	theirs = calloc((size_t)count, sizeof *theirs);
	if (!ours || !theirs)
		return 71;
	for (i = 0; i < count; i++) {
		theirs[i] = call(nothing, argv[2]);
		ours[i] = call(argv + 3, argv[2]);
	}
	qsort(ours, (size_t)count, sizeof *ours, compare);
	qsort(theirs, (size_t)count, sizeof *theirs, compare);
	printf("%.0f %.0f %.2f\n", ours[count / 2], theirs[count / 2], ours[count / 2] / theirs[count / 2]);
	free(ours);
	free(theirs);
	return 0;
}
