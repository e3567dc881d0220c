/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The options that make a route without a configuration: for a run by hand, or for a stage with one drop, which they call
 * smarthost, or lmtp. */
#ifndef DEADDROP_REMOTE_OPTIONS_H
#define DEADDROP_REMOTE_OPTIONS_H

#include "route.h"
#include "stage.h"

struct options {
	struct route *route;		/* NULL: no such option was given; its deadline is 0 where --deadline was not */
	char *ehlo_name;
};

extern const struct stage_option options_table[];	/* those below, and those of the run itself */

/* 1: it was one of them; 0: it was not; -1 with error. */
int options_set(struct options *options, const char *name, const char *value, struct str *error);
void options_free(struct options *options);

#endif
