/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The plan: which drops a recipient leads to, and as which address.  All that decides where mail goes stands behind plan_make: local names, aliases,
 * routes, filters that discard, fallbacks.  Pure: it sees the record, the message's head and the configuration, no descriptor and no clock.
 */
#ifndef DEADDROP_PLAN_H
#define DEADDROP_PLAN_H

#include "record.h"

#define PLAN_DROPS_MAX 16
#define PLAN_DROP_LEN 1024	/* bytes of a drop with its argument */
#define PLAN_STEPS_MAX 2000	/* that one recipient may lead to; more are not looked at */
#define PLAN_LIMIT "limit"	/* what is said of a pattern that took too long */
#define PLAN_DISCARD "discard"	/* a drop of send's own: the one way to lose mail on purpose */

struct alias_table;
struct route_list;
struct filter_list;
struct plan_trace;

struct plan {
	struct str drops[PLAN_DROPS_MAX];	/* where no route says more: "NAME:drop", "NAME:drop/argument" */
	size_t count;
	struct str host;			/* the mail name */
	struct str postmaster;			/* a drop, or empty */
	struct str locals;			/* names of this host, each with a newline, in lower case */
	struct alias_table *aliases;		/* NULL: none; this and what follows are the configuration's */
	struct route_list *routes;
	struct filter_list *filters;
	const struct plan_trace *watch;		/* for queries that are about mail, or NULL */
};

/* Somebody who wants to know why (explain.h): called for what applied, with its place in the configuration (file NULL: none). */
struct plan_trace {
	void (*say)(void *arg, const char *file, unsigned line, const char *what, struct span value);
	void *arg;
};

struct plan_query {
	const struct record *record;
	struct span body;			/* the message, or as much of its beginning as there is */
	const struct plan_trace *trace;		/* NULL: nobody */
	const struct plan_trace *watch;		/* NULL: nobody; told of patterns that reached their limits alone */
};

struct plan_step {
	struct span drop;
	struct span address;		/* empty where it is the recipient's own */
	struct span otherwise;		/* the drop to go to instead when this one failed, or waited for so long: */
	uint64_t after;			/* microseconds of waits */
	bool fallback;			/* this is only where another drop's otherwise leads */
};

/* The spans need only live until the return.  0, or -1 to end. */
typedef int plan_add_fn(void *arg, const struct plan_step *step);

void plan_init(struct plan *plan);
int plan_default(struct plan *plan);	/* where nothing was configured: local:inbox.  0 or -1 */
void plan_free(struct plan *plan);
int plan_add_drop(struct plan *plan, struct span drop);	/* -1 EINVAL: no drop; E2BIG: too many; ENOMEM */
int plan_add_local(struct plan *plan, struct span name);	/* a name of this host.  0 or -1 */

/* "NAME:rest".  False where text is no drop. */
bool plan_split(struct span drop, struct span *name, struct span *rest);
/* The local part where the address is one of this host: root, root@localhost, root@ any of its names. */
bool plan_is_local(const struct plan *plan, struct span address, struct span *local);

/* Calls add for each drop of the recipient, at least once.  0, or -1 if add said so, or without memory. */
int plan_make(const struct plan *plan, const struct plan_query *query, struct span recipient, plan_add_fn *add, void *arg);
void plan_say(const struct plan_query *query, const char *file, unsigned line, const char *what, struct span value);

#endif
