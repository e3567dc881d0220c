/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What holds for this run: defaults, then the configuration file, then options.
 *
 *	socket PATH		admin PATH		wait DURATION		name MAILNAME
 *	from leave|add|replace	sender ADDRESS		to undisclosed|list|leave	qualify yes|no
 *	mime CHARSET		dead-letter yes|no
 */
#ifndef DEADDROP_SETTINGS_H
#define DEADDROP_SETTINGS_H

#include "options.h"

#define SETTINGS_CONFIG "/etc/deaddrop/inject.conf"
#define SETTINGS_SOCKET "/var/spool/deaddrop/public/queue.ctrl"
#define SETTINGS_ADMIN "/var/spool/deaddrop/public/admin.ctrl"
#define SETTINGS_WAIT (UINT64_C(30) * 1000000)
#define SETTINGS_TEXT_MAX 4096

enum settings_from { SETTINGS_FROM_ADD, SETTINGS_FROM_LEAVE, SETTINGS_FROM_REPLACE };
enum settings_to { SETTINGS_TO_UNDISCLOSED, SETTINGS_TO_LIST, SETTINGS_TO_LEAVE };

struct settings {
	struct str socket, admin, name;
	struct str sender;		/* fixed by the administrator; empty: none */
	uint64_t wait;
	enum settings_from from;	/* what happens to the From field: add one that is missing, never touch, always ours */
	enum settings_to to;		/* what stands in for a To that is missing */
	bool qualify;			/* bare addresses in header fields */
	bool dead_letter;		/* what cannot be handed in is appended to dead.letter */
	struct str mime;		/* the character set of text that is not labelled; empty: MIME fields are the caller's business */
};

/* 0, or a sysexits code with error set.  settings_free in either case. */
int settings_load(struct settings *settings, const struct options *options, struct str *error);
void settings_free(struct settings *settings);

#endif
