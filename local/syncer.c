/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "syncer.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#define HELPERS 15			/* beside the caller */
#define STACK_BYTES (64U * 1024)

struct syncer {
	pthread_mutex_t mutex;
	pthread_cond_t wake, over;
	const int *fds;			/* from here to quit under the mutex */
	int *errors;
	size_t next, count;		/* what nobody has taken yet */
	size_t busy;			/* helpers with one in hand */
	bool quit;
	size_t helpers;
	pthread_t threads[HELPERS];
};

static int sync_one(int fd)
{
	return fd >= 0 && fsync(fd) < 0 ? errno : 0;
}

static void take_all(struct syncer *syncer)
{
	while (syncer->next < syncer->count) {
		size_t i = syncer->next++;
		int fd = syncer->fds[i], *error = &syncer->errors[i];

		pthread_mutex_unlock(&syncer->mutex);
		*error = sync_one(fd);
		pthread_mutex_lock(&syncer->mutex);
	}
}

static void *help(void *arg)
{
	struct syncer *syncer = arg;

	pthread_mutex_lock(&syncer->mutex);
	while (!syncer->quit) {
		if (syncer->next == syncer->count) {
			pthread_cond_wait(&syncer->wake, &syncer->mutex);
			continue;
		}
		syncer->busy++;
		take_all(syncer);
		if (!--syncer->busy)
			pthread_cond_signal(&syncer->over);
	}
	pthread_mutex_unlock(&syncer->mutex);
	return NULL;
}

static void start_helpers(struct syncer *syncer)
{
	pthread_attr_t attributes;
	size_t stack = STACK_BYTES;

	if (pthread_attr_init(&attributes))
		return;
	if (stack < (size_t)PTHREAD_STACK_MIN)
		stack = (size_t)PTHREAD_STACK_MIN;
	if (!pthread_attr_setstacksize(&attributes, stack))
		while (syncer->helpers < HELPERS && !pthread_create(&syncer->threads[syncer->helpers], &attributes, help, syncer))
			syncer->helpers++;
	pthread_attr_destroy(&attributes);
}

struct syncer *syncer_new(void)
{
	struct syncer *syncer = calloc(1, sizeof *syncer);

	if (!syncer)
		return NULL;
	pthread_mutex_init(&syncer->mutex, NULL);
	pthread_cond_init(&syncer->wake, NULL);
	pthread_cond_init(&syncer->over, NULL);
	start_helpers(syncer);
	return syncer;
}

void syncer_free(struct syncer *syncer)
{
	if (!syncer)
		return;
	pthread_mutex_lock(&syncer->mutex);
	syncer->quit = true;
	pthread_cond_broadcast(&syncer->wake);
	pthread_mutex_unlock(&syncer->mutex);
	for (size_t i = 0; i < syncer->helpers; i++)
		pthread_join(syncer->threads[i], NULL);
	pthread_cond_destroy(&syncer->over);
	pthread_cond_destroy(&syncer->wake);
	pthread_mutex_destroy(&syncer->mutex);
	free(syncer);
}

void syncer_run(struct syncer *syncer, const int *fds, int *errors, size_t count)
{
	if (!syncer || count < 2) {
		for (size_t i = 0; i < count; i++)
			errors[i] = sync_one(fds[i]);
		return;
	}
	pthread_mutex_lock(&syncer->mutex);
	syncer->fds = fds;
	syncer->errors = errors;
	syncer->next = 0;
	syncer->count = count;
	if (count > syncer->helpers)
		pthread_cond_broadcast(&syncer->wake);
	else
		for (size_t i = 1; i < count; i++)
			pthread_cond_signal(&syncer->wake);
	take_all(syncer);
	while (syncer->busy)
		pthread_cond_wait(&syncer->over, &syncer->mutex);
	syncer->next = syncer->count = 0;
	pthread_mutex_unlock(&syncer->mutex);
}
