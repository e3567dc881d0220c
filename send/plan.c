/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "alias.h"
#include "filter.h"
#include "plan.h"
#include "route.h"
#include "text.h"

#define LOCALS_MAX 65536

void
plan_init(struct plan *plan)
{
	*plan = (struct plan){
		.host = STR_INIT(1024), .postmaster = STR_INIT(PLAN_DROP_LEN), .locals = STR_INIT(LOCALS_MAX),
	};
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
	str_free(&plan->host);
	str_free(&plan->postmaster);
	str_free(&plan->locals);
	alias_table_free(plan->aliases);
	route_list_free(plan->routes);
	filter_list_free(plan->filters);
	plan->aliases = NULL;
	plan->routes = NULL;
	plan->filters = NULL;
}

int
plan_add_drop(struct plan *plan, struct span drop)
{
	struct str copy = STR_INIT(PLAN_DROP_LEN);
	struct span name, rest;

	if (!text_is_clean(drop, PLAN_DROP_LEN) || !(plan_split(drop, &name, &rest) || span_is(drop, PLAN_DISCARD))) {
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

int
plan_add_local(struct plan *plan, struct span name)
{
	size_t len = plan->locals.len;

	for (size_t i = 0; i < name.len; i++) {
		char c = name.data[i];

		if (str_add_char(&plan->locals, c >= 'A' && c <= 'Z' ? (char)(c + 32) : c) < 0)
			goto fail;
	}
	if (str_add_char(&plan->locals, '\n') == 0)
		return 0;
fail:
	str_cut(&plan->locals, len);
	return -1;
}

bool
plan_split(struct span drop, struct span *name, struct span *rest)
{
	*rest = drop;
	return span_word(rest, ':', name) && name->len > 0 && rest->len > 0;
}

/* As C strings, without ASCII case. */
static bool
same_name(struct span a, struct span lower)
{
	if (a.len != lower.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if ((a.data[i] >= 'A' && a.data[i] <= 'Z' ? a.data[i] + 32 : a.data[i]) != lower.data[i])
			return false;
	return true;
}

bool
plan_is_local(const struct plan *plan, struct span address, struct span *local)
{
	struct span domain, rest = str_span(&plan->locals), name;

	if (!address_split(address, local, &domain))
		return true;
	while (span_word(&rest, '\n', &name))
		if (same_name(domain, name))
			return true;
	return false;
}

void
plan_say(const struct plan_query *query, const char *file, unsigned line, const char *what, struct span value)
{
	if (query->trace != NULL)
		query->trace->say(query->trace->arg, file, line, what, value);
	if (query->watch != NULL && strcmp(what, PLAN_LIMIT) == 0)
		query->watch->say(query->watch->arg, file, line, what, value);
}

/* What a recipient has led to so far, so that nothing is named twice. */
struct making {
	const struct plan *plan;
	const struct plan_query *query;
	struct span recipient;
	plan_add_fn *add;
	void *arg;
	struct str seen;		/* "drop\0address\0" each */
	size_t count;
};

static bool
is_seen(const struct making *making, const struct plan_step *step)
{
	struct span rest = str_span(&making->seen), drop, address;

	while (span_word(&rest, '\0', &drop) && span_word(&rest, '\0', &address))
		if (span_equal(drop, step->drop) && span_equal(address, step->address))
			return true;
	return false;
}

static int
make_step(struct making *making, const struct plan_step *given)
{
	struct plan_step step = *given;

	if (span_equal(step.address, making->recipient))
		step.address = (struct span){ "", 0 };
	if (is_seen(making, &step) || making->count >= PLAN_STEPS_MAX)
		return 0;
	making->count++;
	if (str_add_span(&making->seen, step.drop) < 0 || str_add_char(&making->seen, '\0') < 0
	    || str_add_span(&making->seen, step.address) < 0 || str_add_char(&making->seen, '\0') < 0)
		return -1;
	return making->add(making->arg, &step);
}

struct leaf {
	struct making *making;
	struct span address;
};

/* A drop that a route named. */
static int
add_routed(void *arg, const struct plan_step *routed)
{
	struct leaf *leaf = arg;
	struct plan_step step = *routed;
	const struct making *making = leaf->making;

	step.address = leaf->address;
	if (filter_list_discards(making->plan->filters, making->query, step.drop))
		step = (struct plan_step){ .drop = span_of(PLAN_DISCARD), .address = leaf->address, .otherwise = span_of("") };
	return make_step(leaf->making, &step);
}

static int
add_leaf(void *arg, enum alias_kind kind, struct span text)
{
	struct making *making = arg;
	const struct plan *plan = making->plan;
	struct leaf leaf = { making, text };
	int result;

	if (kind == ALIAS_DROP) {
		leaf.address = making->recipient;
		return add_routed(&leaf, &(struct plan_step){ .drop = text, .otherwise = span_of("") });
	}
	result = route_list_find(plan->routes, plan, making->query, text, add_routed, &leaf);
	if (result != 0)
		return result < 0 ? -1 : 0;
	for (size_t i = 0; i < plan->count; i++) {
		plan_say(making->query, NULL, 0, "default", str_span(&plan->drops[i]));
		if (add_routed(&leaf, &(struct plan_step){ .drop = str_span(&plan->drops[i]), .otherwise = span_of("") }) < 0)
			return -1;
	}
	return 0;
}

int
plan_make(const struct plan *plan, const struct plan_query *query, struct span recipient, plan_add_fn *add, void *arg)
{
	struct making making = { plan, query, recipient, add, arg, STR_INIT(64U * 1024 * 1024), 0 };
	int result;

	/* The usual case costs nothing. */
	if (plan->aliases == NULL && plan->routes == NULL && plan->filters == NULL && plan->count == 1 && query->trace == NULL)
		return add(arg, &(struct plan_step){ .drop = str_span(&plan->drops[0]), .address = span_of(""), .otherwise = span_of("") });
	result = alias_expand(plan, query, recipient, add_leaf, &making);
	str_free(&making.seen);
	return result;
}
