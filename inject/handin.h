/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Handing a message in: reads it from a descriptor, repairs and completes it, finds its envelope and submits it to queue.  Memory is bounded whatever the
 * input: a header over 1 MiB and a body over 256 KiB from a pipe go through temporary files.
 */
#ifndef DEADDROP_HANDIN_H
#define DEADDROP_HANDIN_H

#include "options.h"
#include "settings.h"

struct handin_result {
	struct str id;			/* of the message that queue stored */
	struct str error;		/* why it was not */
	struct str warning;		/* what was passed over, whether it was stored or not; may be empty */
};

void handin_result_init(struct handin_result *result);
void handin_result_free(struct handin_result *result);
/* 0: the message is on stable storage.  Otherwise a sysexits code; error says where the message is now, if the settings want a dead.letter. */
int handin_run(const struct options *options, const struct settings *settings, int fd, struct handin_result *result);
/* For settings that are broken: the message goes to dead.letter at once, which is added to error. */
void handin_keep(const struct options *options, const struct settings *settings, int fd, struct handin_result *result);

#endif
