/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lookup.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

/* The keeper's answer comes in any case, perhaps long after nobody waits for it any more: so it lives on without its session. */
struct lookup {
	struct loop *loop;
	struct keeper *keeper;
	struct peer peer;
	struct loop_timer timer;
	lookup_fn *fn;			/* NULL: told already, or cancelled */
	void *arg;
	char name[PEER_NAME_MAX];
};

static void tell(struct lookup *lookup, const char *name, bool unclear)
{
	lookup_fn *fn = lookup->fn;

	loop_timer_clear(lookup->loop, &lookup->timer);
	lookup->fn = NULL;
	if (fn)
		fn(lookup->arg, name, unclear);
}

static void too_late(void *arg)
{
	tell(arg, "", true);
}

/* What a resolver hands out as a name may be anything. */
static bool is_name(const char *name)
{
	size_t len = strlen(name);

	if (!len || len >= PEER_NAME_MAX)
		return false;
	return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == len;
}

static bool is_unclear(int error)
{
	return error == EAI_AGAIN || error == EAI_MEMORY || error == EAI_SYSTEM;
}

static void confirmed(void *arg, const struct sockaddr_storage *addresses, size_t count, int error)
{
	struct lookup *lookup = arg;
	bool found = false;

	for (size_t i = 0; i < count && !error; i++)
		found = found || peer_has_address(&lookup->peer, &addresses[i]);
	tell(lookup, found ? lookup->name : "", error && is_unclear(error));
	free(lookup);
}

static void named(void *arg, const char *name, int error)
{
	struct lookup *lookup = arg;

	if (!error && lookup->fn && is_name(name)) {
		size_t len = strlen(name);

		if (name[len - 1] == '.')
			len--;
		memcpy(lookup->name, name, len);
		lookup->name[len] = '\0';
		if (!keeper_resolve(lookup->keeper, lookup->name, NULL, confirmed, lookup))
			return;
		error = EAI_AGAIN;
	}
	tell(lookup, "", error && is_unclear(error));
	free(lookup);
}

struct lookup *lookup_new(struct loop *loop, struct keeper *keeper, const struct peer *peer, lookup_fn *fn, void *arg)
{
	struct lookup *lookup = calloc(1, sizeof *lookup);
	struct sockaddr_storage address;
	socklen_t len = peer_sockaddr(peer, &address);

	if (!lookup)
		return NULL;
	*lookup = (struct lookup){ .loop = loop, .keeper = keeper, .peer = *peer, .fn = fn, .arg = arg };
	loop_timer_init(&lookup->timer, too_late, lookup);
	if (!len || loop_timer_set(loop, &lookup->timer, clock_boot() + LOOKUP_WAIT)) {
		free(lookup);
		return NULL;
	}
	if (!keeper_host(keeper, (struct sockaddr *)&address, len, named, lookup))
		return lookup;
	loop_timer_clear(loop, &lookup->timer);
	free(lookup);
	return NULL;
}

void lookup_cancel(struct lookup *lookup)
{
	if (!lookup)
		return;
	lookup->fn = NULL;
	loop_timer_clear(lookup->loop, &lookup->timer);
}
