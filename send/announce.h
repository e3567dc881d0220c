/* SPDX-License-Identifier: GPL-3.0-or-later */
/* send.ctrl: queue's announcements (deaddrop-control(7)). */
#ifndef DEADDROP_ANNOUNCE_H
#define DEADDROP_ANNOUNCE_H

#include "ctrl.h"

#define ANNOUNCE_LISTENERS_MAX 16

struct send;

struct announce {
	struct ctrl_listener *listeners[ANNOUNCE_LISTENERS_MAX];
	size_t count;
	unsigned connected;
};

int announce_listen(struct send *s, int fd);
void announce_close(struct send *s);
bool announce_connected(const struct send *s);

#endif
