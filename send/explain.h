/* SPDX-License-Identifier: GPL-3.0-or-later */
/* deaddrop-send --explain ADDRESS… [< message]: says which aliases, filters and routes apply, and sends nothing. */
#ifndef DEADDROP_EXPLAIN_H
#define DEADDROP_EXPLAIN_H

#include "plan.h"

struct explain {
	const char **addresses;
	size_t count;
	const char *sender;		/* what a submission would have: NULL or "" */
	const char *origin, *client, *client_groups, *auth;
	uint64_t uid;
	bool wanted;
};

/* Reads standard input if it is no terminal, prints to standard output.  0, or a sysexits code with error. */
int explain_run(const struct explain *explain, const struct plan *plan, struct str *error);

#endif
