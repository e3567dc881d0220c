/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>

#include "plan.h"
#include "text.h"

void
plan_init(struct plan *plan)
{
	*plan = (struct plan){ .count = 0 };
}

int
plan_default(struct plan *plan)
{
	return plan->count > 0 ? 0 : plan_add_drop(plan, span_of("local:inbox"));
}

void
plan_free(struct plan *plan)
{
	for (size_t i = 0; i < plan->count; i++)
		str_free(&plan->drops[i]);
	plan->count = 0;
}

int
plan_add_drop(struct plan *plan, struct span drop)
{
	struct str copy = STR_INIT(PLAN_DROP_LEN);
	struct span name, rest;

	if (!text_is_clean(drop, PLAN_DROP_LEN) || !plan_split(drop, &name, &rest)) {
		errno = EINVAL;
		return -1;
	}
	if (plan->count == PLAN_DROPS_MAX) {
		errno = E2BIG;
		return -1;
	}
	/* A message reaches one drop once, so naming one twice changes nothing. */
	for (size_t i = 0; i < plan->count; i++)
		if (span_equal(str_span(&plan->drops[i]), drop))
			return 0;
	if (str_add_span(&copy, drop) < 0)
		return -1;
	plan->drops[plan->count++] = copy;
	return 0;
}

bool
plan_split(struct span drop, struct span *name, struct span *rest)
{
	*rest = drop;
	return span_word(rest, ':', name) && name->len > 0 && rest->len > 0;
}

int
plan_make(const struct plan *plan, const struct record *record, struct span recipient, plan_add_fn *add, void *arg)
{
	(void)record;
	(void)recipient;
	for (size_t i = 0; i < plan->count; i++)
		if (add(arg, str_span(&plan->drops[i]), (struct span){ "", 0 }) < 0)
			return -1;
	return 0;
}
