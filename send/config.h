/* SPDX-License-Identifier: GPL-3.0-or-later */
/* send.conf: deaddrop-send(8), CONFIGURATION. */
#ifndef DEADDROP_CONFIG_H
#define DEADDROP_CONFIG_H

#include "alias.h"
#include "bounce.h"
#include "drop.h"
#include "inputs.h"
#include "plan.h"
#include "retry.h"

struct config {
	struct retry retry;
	struct plan plan;
	struct bounce_rules bounce;
	struct drop_rules limits;
	uint64_t least_wait;		/* after which some message may have another drop, or none, or its sender is told */
	bool has_retry;
	unsigned postmaster_line;
	struct str forward;		/* the directory of users' files, or empty */
	struct alias_drops forward_drops;
	unsigned forward_line;
	struct str notes;		/* what is wrong and was passed over, a line each */
	struct inputs inputs;		/* what it was read from */
};

void config_init(struct config *config);
void config_free(struct config *config);
/* Reads the file (NULL: none, all defaults), and the alias files that it names.  0, or -1 with error "file:line: …". */
int config_load(struct config *config, const char *file, struct str *error);
/* The same from what an earlier one was read from, without asking the host for anything: text is its inputs', which it takes over. */
int config_load_again(struct config *config, struct str *text, struct str *error);
/* Calls see for each drop that is named anywhere, with its place (file NULL: a default).  0, or -1 if it said so. */
int config_drops(const struct config *config, int (*see)(void *arg, const char *file, unsigned line, struct span drop), void *arg);

#endif
