/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What operators and users do to one message that waits: deaddrop-control(7), admin.ctrl. */
#ifndef DEADDROP_ADMIN_ACT_H
#define DEADDROP_ADMIN_ACT_H

#include <stdbool.h>
#include <sys/types.h>

#include "id.h"

struct send;

/* Takes "VERB ID [DROP]": hold, release, retry, remove, bounce, reroute.  NULL: it is done, durably; or why it is not. */
const char *admin_act(struct send *s, struct span request, bool all, uid_t uid);
/* Where a message stands as the spool has it: from at to end of fd, which is the caller's to close. */
struct admin_show {
	int fd;
	uint64_t at, end;
};
/* NULL, or why not; then show is as it was. */
const char *admin_act_show(struct send *s, struct span id, bool all, uid_t uid, struct admin_show *show);

/* The same for a message in dead/ (admin_dead.c): release or remove.  NULL, or why not. */
const char *admin_dead(struct send *s, const char *verb, struct id id, bool all, uid_t uid);

#endif
