/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whom a message is from: the envelope's sender, and address and name for a From field that is missing. */
#ifndef DEADDROP_AUTHOR_H
#define DEADDROP_AUTHOR_H

#include "options.h"
#include "settings.h"

struct author {
	struct str sender;	/* plain and qualified; empty: the null sender */
	struct str address;	/* author_complete fills these two */
	struct str name;
	bool own;		/* the sender is the caller by default, not by an option */
};

void author_init(struct author *author);
void author_free(struct author *author);
/* The sender: the administrator's, that of -f, or login@mailname.  A value that is no address is passed over with a warning.
 * The null sender stays null, for bounces must not be answered.  0, or -1 with errno. */
int author_find(struct author *author, const struct options *options, const struct settings *settings, const char *given, struct str *warning);
int author_complete(struct author *author, const struct options *options, const struct settings *settings);

#endif
