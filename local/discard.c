/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "discard.h"

static void *discard_open(const struct drop_host *host)
{
	return (void *)(uintptr_t)host;
}

static void discard_close(void *state)
{
	(void)state;
}

static void discard_deliver(void *state, struct deliver_job **jobs, size_t count)
{
	const struct drop_host *host = state;

	for (size_t i = 0; i < count; i++) {
		outcome_set(&jobs[i]->result, OUTCOME_DONE, "2.0.0", "discarded");
		host->done(host->arg, jobs[i]);
	}
}

const struct drop_kind discard_kind = {
	.name = "discard",
	.place = DROP_NOWHERE,
	.open = discard_open,
	.close = discard_close,
	.deliver = discard_deliver,
};
