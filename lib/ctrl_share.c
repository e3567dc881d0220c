/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What connections hold in memory, and who: of what one user's connections hold, no more than his share counts against the hub's cap,
 * and at his share only he is not read.  So nobody stops the others by holding all there is.
 */
#include <stdlib.h>

#include "ctrl_internal.h"

struct ctrl_user {			/* exists while it has connections */
	struct ctrl_user *next;
	uid_t uid;
	unsigned connections;
	size_t buffered;
	bool capped;			/* as the hub's */
};

void ctrl_hub_share(struct ctrl_hub *hub, size_t bytes)
{
	hub->share = bytes;
}

static bool now_capped(bool capped, size_t buffered, size_t cap)
{
	return capped ? buffered > cap / 4 * 3 : buffered >= cap;
}

static size_t counts(const struct ctrl_hub *hub, const struct ctrl_user *user)
{
	return user->buffered < hub->share ? user->buffered : hub->share;
}

void ctrl_account(struct ctrl *c)
{
	struct ctrl_hub *hub = c->hub;
	struct ctrl_user *user = c->user;
	size_t holds = c->in.len + ctrl_unsent(c);
	bool capped;

	if (user == NULL) {
		hub->buffered += holds - c->counted;
	} else {
		hub->buffered -= counts(hub, user);
		user->buffered += holds - c->counted;
		hub->buffered += counts(hub, user);
		capped = now_capped(user->capped, user->buffered, hub->share);
		hub->flipped |= capped != user->capped;
		user->capped = capped;
	}
	c->counted = holds;
	capped = now_capped(hub->capped, hub->buffered, hub->cap);
	hub->flipped |= capped != hub->capped;
	hub->capped = capped;
}

bool ctrl_share_capped(const struct ctrl *c)
{
	return c->hub->capped || (c->user != NULL && c->user->capped);
}

bool ctrl_share_any_capped(const struct ctrl_hub *hub)
{
	const struct ctrl_user *user = hub->users;

	while (user != NULL && !user->capped)
		user = user->next;
	return hub->capped || user != NULL;
}

int ctrl_share_join(struct ctrl *c)
{
	struct ctrl_hub *hub = c->hub;
	struct ctrl_user *user = hub->users;

	if (hub->share == 0 || c->peer.uid == 0)
		return 0;
	while (user != NULL && user->uid != c->peer.uid)
		user = user->next;
	if (user == NULL) {
		user = calloc(1, sizeof(*user));
		if (user == NULL)
			return -1;
		user->uid = c->peer.uid;
		user->next = hub->users;
		hub->users = user;
	}
	user->connections++;
	hub->buffered -= c->counted;
	c->counted = 0;
	c->user = user;
	ctrl_account(c);
	return 0;
}

void ctrl_share_leave(struct ctrl *c)
{
	struct ctrl_user **link = &c->hub->users, *user = c->user;

	c->user = NULL;
	if (user == NULL || --user->connections > 0)
		return;
	while (*link != user)
		link = &(*link)->next;
	*link = user->next;
	free(user);
}
