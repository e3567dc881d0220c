/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Files that hold secrets, and may be read or changed by more people than their owner.  It is told of at each start and by --check; mail goes on: who could read the
 * secret has read it, and a stage that refused to start would keep mail from people without taking it back.
 */
#ifndef DEADDROP_EXPOSED_H
#define DEADDROP_EXPOSED_H

#include <sys/types.h>

#include "conf.h"

struct exposed {
	gid_t group;			/* the stage's own: it may read its secrets; (gid_t)-1: none */
	struct str lines;		/* a warning a line: "FILE:LINE: what, and what to do"; with a limit of 0 none is kept */
};

/* A directive that holds a secret, or the name of a file that does; a table ends with a NULL name. */
struct exposed_rule {
	const char *directive;
	size_t word;			/* that names the file, beside the configuration where it is relative; 0: the configuration is it */
	const char *unless;		/* not where this directive stands beside it; NULL: always */
};

/* Appends a warning for each.  What cannot be looked at, and what is no regular file, is not exposed. */
void exposed_look(struct exposed *exposed, const struct conf *conf, const struct exposed_rule *rules);
/* The same for a file that an option names; where says which. */
void exposed_file(struct exposed *exposed, const char *where, const char *path);

#endif
