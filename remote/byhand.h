/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One message from a descriptor to a server: deaddrop-remote by hand, or as the delivery program (MDA) of another mail system.  And --check. */
#ifndef DEADDROP_REMOTE_BYHAND_H
#define DEADDROP_REMOTE_BYHAND_H

#include "dispatch.h"

struct byhand {
	const char *sender;		/* NULL: nobody said; the null sender */
	struct str recipients;		/* each with its NUL */
	int fd;				/* the message, to its end */
};

/* 0, or a sysexits code with error: 75 where it may be tried again, others where it may not. */
int byhand_run(const struct byhand *byhand, const struct route *route, const struct link_world *world, struct str *error);
/* Connects to each server of the route, and prints to standard output what it finds.  0, or 69 with error. */
int byhand_check(const struct route *route, const struct link_world *world, struct str *error);

#endif
