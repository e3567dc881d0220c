/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What deaddrop-mailq does to messages: it chooses them from send's list, asks before it acts on many, and has send act on each. */
#ifndef DEADDROP_QUEUE_MAILQ_ACT_H
#define DEADDROP_QUEUE_MAILQ_ACT_H

#include "mailq.h"

#define MAILQ_ACT_MANY 1		/* more messages than this are asked about */

struct mailq_choice {
	const char *verb;		/* hold, release, retry, remove, bounce, reroute, show */
	const char *drop;		/* of reroute */
	const char *sender, *recipient, *choose_drop;	/* NULL: any */
	char **ids;			/* beside what the others choose */
	size_t id_count;
	bool all, yes;
};

bool mailq_act_is_verb(const char *word);
/* Prints what was done to standard output.  A sysexits code, with error where it is not 0. */
int mailq_act(const char *socket, const struct mailq_choice *choice, struct str *error);

#endif
