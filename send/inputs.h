/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a configuration was made of: the files it was read from, the host's names, who is in a group.  Kept while it is read, as text, and given again in place of the
 * host's own, so that what an earlier configuration would have said can be worked out when the host says something else by now (earlier.h).
 */
#ifndef DEADDROP_INPUTS_H
#define DEADDROP_INPUTS_H

#include "str.h"

#define INPUTS_MAX (64U * 1024 * 1024)

struct inputs {
	struct str text;	/* "KIND LENGTH NAME\n", LENGTH bytes, "\n"; each */
	bool again;		/* it is not kept, but given */
};

void inputs_init(struct inputs *inputs);
void inputs_free(struct inputs *inputs);
/* inputs may be NULL here and below: then nothing is kept.  0 or -1. */
int inputs_keep(struct inputs *inputs, const char *kind, const char *name, struct span value);
/* True where it is given; the view lives as long as the text. */
bool inputs_find(const struct inputs *inputs, const char *kind, const char *name, struct span *value);
bool inputs_again(const struct inputs *inputs);
/* Appends a file, from the host or as it was given; of the host it is kept.  0, or -1 with error "path: ...". */
int inputs_read(struct inputs *inputs, const char *kind, const char *path, struct str *text, struct str *error);

#endif
