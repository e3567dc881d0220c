/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A mail is a message that is being worked on, with its targets: a recipient at a drop, as an address.  It lives from the moment its
 * record is read until its last job is answered and what came of it is written.  Pure: no descriptor, no clock.
 */
#ifndef DEADDROP_MAIL_H
#define DEADDROP_MAIL_H

#include "list.h"
#include "outcome.h"
#include "plan.h"
#include "retry.h"
#include "table.h"

#define MAIL_INSTEAD "instead of "	/* so begins the reason of the line that gives a recipient a drop that the plan did not */
#define MAIL_PART 100		/* recipients of a job at most: deaddrop-control(7) */

enum target_state {
	TARGET_NEW,		/* no attempt yet */
	TARGET_LATER,
	TARGET_HELD,
	TARGET_DONE,		/* from here on: nothing more to do */
	TARGET_FAILED,
	TARGET_BOUNCED,
	TARGET_REMOVED
};

struct text_part {		/* of the mail's text */
	uint32_t at, len;
};

struct target {
	uint64_t hash;			/* of the drop */
	uint64_t next;			/* LATER: wall clock, microseconds */
	uint64_t waited;		/* the waits between its attempts so far, in schedule time */
	struct text_part recipient, drop, address;	/* address: empty where it is the recipient's own */
	struct text_part otherwise;	/* the drop in its place when it failed, or has waited for so long: */
	uint64_t after;
	struct text_part instead;	/* the drop that was given up for this one in this process */
	uint32_t number;		/* of the recipient */
	uint32_t part;			/* of the job at its drop */
	uint32_t tries;
	enum target_state state;
	bool noted;			/* an outcome line of it exists */
	bool flying;			/* in a job that has not been answered for it */
	bool unclear;			/* an attempt may have succeeded unseen */
	bool unclear_noted;		/* its last line says so */
	bool asked;			/* unclear; but the drop was asked for it, and did not say */
	bool cut_short;			/* the wait after the last attempt was not made whole: an operator said now */
	bool fixed;			/* not the plan's drop, but an operator's or a fallback: the plan does not replace it */
	bool parked;			/* added to a mail in flight: handed out when the mail is read again */
	bool late;			/* has just waited for so long that the sender may be told */
	bool told;			/* which was done while it waited between attempts */
};

struct mail {
	struct entry *entry;
	struct id id;
	uint64_t arrival;
	struct target *targets;		/* sorted by drop, then recipient: a job's targets are neighbours */
	size_t count, cap;
	struct str text;
	uint32_t jobs;			/* handed out and not answered */
	size_t bytes;			/* counted against the limit of what is in flight */
	struct str pending;		/* deferred: outcome lines that are not written yet */
	struct span body;		/* what is known of the message itself, while targets are worked out */
	bool branched;			/* a recipient has several targets */
	bool wants_success;		/* the sender is to be told of a delivery */
	bool notified;			/* that was done */
	bool late;			/* some target is */
	enum mail_told { MAIL_UNTOLD, MAIL_TOLD, MAIL_TOLD_BEFORE } told;	/* its notification waits to be released */
	bool moved;			/* it is in deferred/ or dead/ now */
	bool torn;			/* deferred: the file ends with half a line */
	struct list unwritten;
};

struct mail *mail_new(struct entry *entry, const struct record *record);	/* NULL: no memory */
void mail_free(struct mail *m);
/*
 * Works out the targets.  lines: the message's outcome lines, and file the N or ID that is in their CRC; others among them are passed over.
 * A recipient that has lines has the targets that they name: its first line is always written together with lines for all its targets, so
 * none is missing, whatever the configuration has become since.  The others' are made by the plan.  0, or -1 ENOMEM.
 */
int mail_plan(struct mail *m, const struct record *record, struct span lines, struct span file, const struct plan *plan,
    const struct retry *retry);
/* Marks what may have been handed out by a process before: all that is dated at or before mark. dated: of the message, 0 to go by the targets' next tries. */
void mail_judge(struct mail *m, uint64_t mark, uint64_t dated);

struct span mail_text(const struct mail *m, struct text_part part);
struct span mail_address(const struct mail *m, const struct target *t);		/* where it is delivered to */
bool target_is_final(const struct target *t);
bool mail_is_final(const struct mail *m);		/* every target is */
bool mail_has_failed(const struct mail *m);		/* some target failed and no notification exists */
bool mail_owes(const struct mail *m);			/* the same, or a notice of success is wanted */
uint64_t mail_next(const struct mail *m);		/* the earliest next try of what waits; UINT64_MAX if nothing does; 0: something is new */
/* Whether it can be handed out now.  From the journal only what was never answered is: retries begin in deferred/. */
bool target_is_due(const struct mail *m, const struct target *t, uint64_t now);

/*
 * Compares the targets that have lines with what the plan says now: learns what their fallbacks are, and with reroute gives those that the plan
 * knows no more the drops that it names instead, with lines appended to m->pending.  Only what waits is touched, and nothing while an attempt of the
 * message is unclear.  The number of targets that changed, or -1 ENOMEM.  Before anything of the mail is handed out.
 */
int mail_replan(struct mail *m, const struct record *record, const struct plan *plan, bool reroute);
/* Gives up target i for another drop, without lines: it is REMOVED, and a target that is fixed and parked stands at the end. */
int mail_hand_over_part(struct mail *m, size_t i, struct text_part drop);
int mail_hand_over(struct mail *m, size_t i, struct span drop);

/* Notes an attempt's outcome in the target: state, tries, next, waited.  Says what it became: LATER may have turned into FAILED by expiry, and either into
 * REMOVED where there is a fallback. */
enum target_state mail_answer(struct mail *m, struct target *t, const struct outcome *o, const struct retry *retry, uint64_t now);
/* Appends the target's outcome line, with lines for the other targets of its recipient before it where none was noted yet. */
int mail_put_lines(struct mail *m, struct target *t, struct str *out, struct span file, const char *status, struct span reason);

#endif
