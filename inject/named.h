/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Recipients that the caller names: in arguments or on --envelope-fd; and together with those of the header.  What is no address is noted by compose_bad. */
#ifndef DEADDROP_NAMED_H
#define DEADDROP_NAMED_H

#include "compose.h"

/* Each: 0, or -1 with errno (memory, too many). */
int named_arguments(struct recipients *named, struct compose *compose, char *const *words, size_t count);
int named_given(struct recipients *named, struct compose *compose, struct span list);	/* list as given_parse leaves it */
/* The header's first, then the named ones; with subtract the header's without the named ones. */
int named_merge(struct recipients *named, const struct recipients *header, bool subtract);

#endif
