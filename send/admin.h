/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * admin.ctrl: operators and users (deaddrop-control(7)).  What takes long is done in slices, some a turn, and waits for peers that read slowly.
 */
#ifndef DEADDROP_ADMIN_H
#define DEADDROP_ADMIN_H

#include "ctrl.h"
#include "list.h"

#define ADMIN_UIDS_MAX 256

struct send;

struct admin_rights {		/* who may see and do all; fixed before the jail */
	bool has_group;
	gid_t group;
	uid_t uids[ADMIN_UIDS_MAX];	/* members of the group */
	size_t count;
};

struct admin {
	struct ctrl_listener *listener;
	struct list peers;		/* those with work left */
	struct list open;		/* all */
	uint64_t until;			/* boot time: then they have had their part of the turn */
};

void admin_init(struct send *s);
int admin_listen(struct send *s, int fd);
void admin_close(struct send *s);
bool admin_turn(struct send *s);	/* true: there is more to do */

/* Looks up the group and its members.  0; -1: there is no such group. */
int admin_rights_load(struct admin_rights *rights, const char *group);
bool admin_rights_all(const struct admin_rights *rights, struct ctrl_peer peer);

#endif
