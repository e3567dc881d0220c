/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "alone.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "batch.h"

struct alone {
	struct drop_host host;
	struct deliver *deliver;
	struct batch *batch;
	struct outcome *outcome;
};

static void keep_outcome(void *arg, const struct deliver_job *job)
{
	struct alone *alone = arg;
	struct outcome *outcome = alone->outcome;

	*outcome = *deliver_job_outcome(job, 0);
	for (size_t n = 1; n < job->count; n++) {
		const struct outcome *other = deliver_job_outcome(job, n);

		if (other->verdict == OUTCOME_LATER || (other->verdict == OUTCOME_NEVER && outcome->verdict == OUTCOME_DONE))
			*outcome = *other;
	}
}

static void take(void *arg, struct deliver_job *job)
{
	struct alone *alone = arg;

	batch_take(alone->batch, job);
}

static bool turn(void *arg)
{
	struct alone *alone = arg;
	bool more;

	batch_run(alone->batch);
	more = works_run(alone->host.works) || batch_waits(alone->batch);
	if (!deliver_pending(alone->deliver))
		loop_stop(alone->host.loop);
	return more;
}

/* A command is started by a keeper of our own, as us. */
static int start_keeper(struct alone *alone, struct drop *drop, struct str *error)
{
	struct keeper_list *list = drop->kind->list ? keeper_list_new() : NULL;
	int result = -1;

	if (!drop->kind->list)
		return 0;
	if (list && !drop->kind->list(drop, list, error))
		alone->host.keeper = keeper_start(list, geteuid(), getegid(), error);
	if (alone->host.keeper)
		result = keeper_attach(alone->host.keeper, alone->host.loop);
	keeper_list_free(list);
	return result;
}

static int run(struct alone *alone, struct drop_table *drops, struct deliver_job *job, struct str *error)
{
	static const struct deliver_ops ops = { .deliver = take, .answered = keep_outcome };

	alone->host.loop = loop_new();
	alone->host.works = alone->host.loop ? works_new(alone->host.loop) : NULL;
	alone->batch = alone->host.works && !start_keeper(alone, drops->first, error) ? batch_new(&alone->host, drops) : NULL;
	alone->deliver = alone->batch ? deliver_new(NULL, SIZE_MAX, &ops, alone) : NULL;
	if (!alone->deliver || loop_turn(alone->host.loop, turn, alone) < 0) {
		deliver_job_free(job);
		return -1;
	}
	batch_set_deliver(alone->batch, alone->deliver);
	umask(0);
	deliver_add(alone->deliver, job);
	return loop_run(alone->host.loop);
}

void alone_run(struct drop_table *drops, struct deliver_job *job, const char *host, bool sync_fs, struct outcome *outcome)
{
	struct alone alone = { .host = { .name = host, .sync_fs = sync_fs }, .outcome = outcome };
	struct str error = STR_INIT(1024);

	outcome_set(outcome, OUTCOME_LATER, "4.3.0", "not delivered");
	if (run(&alone, drops, job, &error) < 0)
		outcome_set(outcome, OUTCOME_LATER, "4.3.0", "%s", error.len ? error.data : strerror(errno));
	keeper_stop(alone.host.keeper);
	batch_free(alone.batch);
	deliver_free(alone.deliver);
	works_free(alone.host.works);
	loop_free(alone.host.loop);
	str_free(&error);
}
