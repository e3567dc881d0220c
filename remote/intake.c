/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "intake.h"

#include <stdlib.h>

#define JOBS_CAP (16U * 1024 * 1024)

struct outlet {				/* a route at work */
	struct outlet *next;
	const struct route *route;
	struct dispatch *dispatch;
};

struct intake {
	const struct link_world *world;
	const struct route_table *table;
	struct deliver *deliver;
	struct outlet *outlets;
	loop_fn *idle;
	void *arg;
};

static void on_done(void *arg, struct deliver_job *job)
{
	struct intake *intake = arg;

	deliver_done(intake->deliver, job);
	if (!deliver_pending(intake->deliver))
		intake->idle(intake->arg);
}

static void on_deliver(void *arg, struct deliver_job *job)
{
	struct intake *intake = arg;
	struct outlet *outlet = intake->outlets;
	struct span name, argument;

	if (deliver_job_argument(job, &name, &argument)) {
		outcome_set(&job->result, OUTCOME_LATER, "4.3.5", "drop %.*s takes no argument", (int)name.len, name.data);
		deliver_done(intake->deliver, job);
		return;
	}
	while (outlet && !span_is(name, outlet->route->name))
		outlet = outlet->next;
	if (outlet) {
		dispatch_add(outlet->dispatch, job);
		return;
	}
	outcome_set(&job->result, OUTCOME_LATER, "4.3.5", "no drop named %.*s in %s", (int)name.len, name.data, intake->table->file);
	deliver_done(intake->deliver, job);
}

static void on_answered(void *arg, const struct deliver_job *job)
{
	struct intake *intake = arg;

	deliver_log_outcomes(intake->world->log, job);
}

static void on_ended(void *arg, struct ctrl_peer peer, struct span stage, const char *why, bool broken)
{
	struct intake *intake = arg;

	if (broken || log_verbose(intake->world->log) > 0)
		deliver_log_peer(intake->world->log, peer, stage, why);
	intake->idle(intake->arg);
}

static int add_outlet(struct intake *intake, const struct route *route)
{
	struct outlet *outlet = calloc(1, sizeof *outlet);

	if (!outlet)
		return -1;
	outlet->route = route;
	outlet->dispatch = dispatch_new(intake->world, route, on_done, intake);
	if (!outlet->dispatch) {
		free(outlet);
		return -1;
	}
	outlet->next = intake->outlets;
	intake->outlets = outlet;
	return 0;
}

struct intake *intake_new(struct ctrl_hub *hub, const struct link_world *world, const struct route_table *table, loop_fn *idle, void *arg)
{
	static const struct deliver_ops ops = { .deliver = on_deliver, .answered = on_answered, .ended = on_ended };
	struct intake *intake = calloc(1, sizeof *intake);

	if (!intake)
		return NULL;
	*intake = (struct intake){ .world = world, .table = table, .idle = idle, .arg = arg };
	intake->deliver = deliver_new(hub, JOBS_CAP, &ops, intake);
	for (const struct route *route = table->first; intake->deliver && route; route = route->next) {
		if (!add_outlet(intake, route))
			continue;
		intake_free(intake);
		return NULL;
	}
	if (intake->deliver)
		return intake;
	free(intake);
	return NULL;
}

void intake_free(struct intake *intake)
{
	if (!intake)
		return;
	for (struct outlet *next, *outlet = intake->outlets; outlet; outlet = next) {
		next = outlet->next;
		dispatch_free(outlet->dispatch);
		free(outlet);
	}
	deliver_free(intake->deliver);
	free(intake);
}

int intake_listen(struct intake *intake, int fd)
{
	return deliver_listen(intake->deliver, fd);
}

void intake_flush(struct intake *intake)
{
	deliver_flush(intake->deliver);
}

void intake_drain(struct intake *intake)
{
	deliver_close(intake->deliver);
	for (struct outlet *outlet = intake->outlets; outlet; outlet = outlet->next)
		dispatch_drain(outlet->dispatch);
}

size_t intake_pending(const struct intake *intake)
{
	return deliver_pending(intake->deliver);
}

size_t intake_connections(const struct intake *intake)
{
	return deliver_connections(intake->deliver);
}
