/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "commit.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define STACK_BYTES (64U * 1024)

struct list {
	struct commit_job *first, *last;
};

struct commit {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t wake;
	struct list waiting;		/* these three under the mutex */
	struct list finished;
	bool quit;
	int event;			/* raised when finished becomes other than empty */
	struct loop_watch *watch;
};

static void put(struct list *list, struct commit_job *job)
{
	job->next = NULL;
	if (list->last)
		list->last->next = job;
	else
		list->first = job;
	list->last = job;
}

static struct commit_job *take(struct list *list)
{
	struct commit_job *job = list->first;

	if (!job)
		return NULL;
	list->first = job->next;
	if (!list->first)
		list->last = NULL;
	return job;
}

static void *work(void *arg)
{
	struct commit *commit = arg;
	uint64_t one = 1;

	pthread_mutex_lock(&commit->mutex);
	for (;;) {
		struct commit_job *job = take(&commit->waiting);

		if (!job) {
			if (commit->quit)
				break;
			pthread_cond_wait(&commit->wake, &commit->mutex);
			continue;
		}
		pthread_mutex_unlock(&commit->mutex);
		job->error = job->run(job);
		pthread_mutex_lock(&commit->mutex);
		bool first = !commit->finished.first;
		put(&commit->finished, job);
		/* an eventfd takes a 1 unless it holds 2^64 - 2 already: this cannot fail */
		if (first)
			while (write(commit->event, &one, sizeof one) < 0 && errno == EINTR)
				continue;
	}
	pthread_mutex_unlock(&commit->mutex);
	return NULL;
}

static void collect(void *arg, unsigned events)
{
	struct commit *commit = arg;
	struct list done;
	struct commit_job *job;
	uint64_t count;

	(void)events;
	if (read(commit->event, &count, sizeof count) < 0)
		return;
	pthread_mutex_lock(&commit->mutex);
	done = commit->finished;
	commit->finished = (struct list){ NULL, NULL };
	pthread_mutex_unlock(&commit->mutex);
	while ((job = take(&done)))
		job->done(job);
}

static int start_thread(struct commit *commit)
{
	pthread_attr_t attributes;
	size_t stack = STACK_BYTES;
	int error = pthread_attr_init(&attributes);

	if (error)
		return error;
	if (stack < (size_t)PTHREAD_STACK_MIN)
		stack = (size_t)PTHREAD_STACK_MIN;
	error = pthread_attr_setstacksize(&attributes, stack);
	if (!error)
		error = pthread_create(&commit->thread, &attributes, work, commit);
	pthread_attr_destroy(&attributes);
	return error;
}

struct commit *commit_new(struct loop *loop)
{
	struct commit *commit = calloc(1, sizeof *commit);
	int error;

	if (!commit)
		return NULL;
	commit->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (commit->event < 0) {
		free(commit);
		return NULL;
	}
	pthread_mutex_init(&commit->mutex, NULL);
	pthread_cond_init(&commit->wake, NULL);
	error = loop_watch(loop, commit->event, LOOP_READ, collect, commit, &commit->watch) ? errno : start_thread(commit);
	if (error) {
		loop_unwatch(commit->watch);
		close(commit->event);
		free(commit);
		errno = error;
		return NULL;
	}
	return commit;
}

void commit_free(struct commit *commit)
{
	if (!commit)
		return;
	pthread_mutex_lock(&commit->mutex);
	commit->quit = true;
	pthread_cond_signal(&commit->wake);
	pthread_mutex_unlock(&commit->mutex);
	pthread_join(commit->thread, NULL);
	loop_unwatch(commit->watch);
	close(commit->event);
	pthread_cond_destroy(&commit->wake);
	pthread_mutex_destroy(&commit->mutex);
	free(commit);
}

void commit_start(struct commit *commit, struct commit_job *job)
{
	pthread_mutex_lock(&commit->mutex);
	put(&commit->waiting, job);
	pthread_cond_signal(&commit->wake);
	pthread_mutex_unlock(&commit->mutex);
}

void commit_inline(struct commit_job *job)
{
	job->error = job->run(job);
	job->done(job);
}
