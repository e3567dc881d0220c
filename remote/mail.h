/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A message on its way to a server: the job it came as, what had to be found out about its bytes, and how far its recipients are.  A route's queue owns it, and a
 * session while it sends it.
 */
#ifndef DEADDROP_REMOTE_MAIL_H
#define DEADDROP_REMOTE_MAIL_H

#include "deliver.h"

#define MAIL_HOPS_MAX 100		/* Received fields */

enum mail_recipient {
	MAIL_WAITING,			/* for a transaction */
	MAIL_ASKED,			/* in this one */
	MAIL_ACCEPTED,			/* by the server, in this one */
	MAIL_SETTLED,			/* it has its outcome */
};

/* How the message went, for the log. */
enum { MAIL_EIGHT_BIT_AS_IS = 1, MAIL_LONG_LINES_AS_IS = 2, MAIL_UTF8_AS_IS = 4, MAIL_UNCLEAR = 8 };

struct mail {
	struct mail *next;
	struct deliver_job *job;
	const void *lane;		/* the connection that had it last; only to be compared */
	uint64_t due;			/* clock_boot time at which it must have its answers */
	unsigned tries;			/* connections that broke before the server had said a word about it */
	unsigned notes;
	/* of its bytes: */
	bool surveyed;
	uint64_t size;			/* octets on the wire, without doubled dots */
	uint64_t longest;
	bool eight_bit, header_eight_bit;
	unsigned hops;
	unsigned char *states;		/* an enum mail_recipient for each */
};

struct mail *mail_new(struct deliver_job *job);		/* NULL: no memory.  The job stays the caller's */
void mail_free(struct mail *mail);			/* not its job */
/* Reads the message.  0, or -1 with errno. */
int mail_survey(struct mail *mail);
size_t mail_count(const struct mail *mail, enum mail_recipient state);
/* The first recipient from n on in that state; count where there is none. */
size_t mail_find(const struct mail *mail, size_t n, enum mail_recipient state);
const char *mail_recipient(const struct mail *mail, size_t n);
/* Gives recipient n its outcome, or all that have none yet. */
void mail_settle(struct mail *mail, size_t n, const struct outcome *outcome);
void mail_settle_rest(struct mail *mail, const struct outcome *outcome);
void mail_wait_again(struct mail *mail);		/* those that a transaction did not settle wait for the next */
bool mail_needs_utf8(const struct mail *mail, size_t n);	/* the address of recipient n does */
bool mail_is_ascii(struct span text);

#endif
