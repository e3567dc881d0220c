/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files route*.c share. */
#ifndef DEADDROP_ROUTE_INTERNAL_H
#define DEADDROP_ROUTE_INTERNAL_H

#include <sys/types.h>

#include "regex.h"
#include "route.h"

#define ROUTE_CHAIN_MAX 4		/* a drop and its fallbacks */

struct route_cond;

struct route_subject {			/* what is matched */
	const struct plan_query *query;
	struct span address, own;	/* qualified; and as it is */
	struct span local;		/* the name, where it is one of this host's; else empty */
	struct regex_match *match;	/* the first regular expression's that matched; its views live in text */
	bool matched;
	struct str *text;		/* room for unfolded fields */
};

/* A kind of condition.  take reads its words after the keyword (*n stands on it, and ends on its last word); matches: 1, 0, -1 at a limit or without memory. */
struct route_kind {
	const char *name;
	int (*take)(struct route_cond *cond, const struct conf_node *node, size_t *n, struct str *error);
	int (*matches)(const struct route_cond *cond, struct route_subject *subject);
};

struct route_cond {
	struct inputs *inputs;
	const struct route_kind *kind;
	bool except;
	struct regex *regex;		/* or the literal: */
	struct str word;
	struct str name;		/* of a header field */
	uint64_t number;		/* bytes */
	bool over;
	uid_t *uids;
	size_t uid_count;
	unsigned char net[16], bits;	/* bits of net, IPv4 as ::ffff:0:0/96 */
};

struct route_step {
	struct regex_template *drop;
	struct str text;		/* as it is written */
	uint64_t after;			/* the next of the chain takes over */
};

struct route_chain {
	struct route_step steps[ROUTE_CHAIN_MAX];
	size_t count;
};

struct route {
	const char *file;
	unsigned line;
	struct route_cond *conds;
	size_t cond_count;
	struct route_chain *chains;
	size_t chain_count;
	bool and;
};

struct route_list {
	struct route *all;
	size_t count;
	char **files;
	size_t file_count;
	struct inputs *inputs;
};

const struct route_kind *route_kind_find(const char *word);	/* NULL: it is no condition */
void route_cond_free(struct route_cond *cond);
/* A pattern: regular expression or literal.  0, or -1 with error. */
int route_pattern(struct route_cond *cond, const struct conf_node *node, size_t n, struct str *error);

#endif
