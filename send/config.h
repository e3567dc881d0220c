/* SPDX-License-Identifier: GPL-3.0-or-later */
/* send.conf: deaddrop-send(8), CONFIGURATION. */
#ifndef DEADDROP_CONFIG_H
#define DEADDROP_CONFIG_H

#include "plan.h"
#include "retry.h"

struct config {
	struct retry retry;
	struct plan plan;
	bool has_retry;
};

void config_init(struct config *config);
void config_free(struct config *config);
/* Reads the file (NULL: none, all defaults).  0, or -1 with error "file:line: …". */
int config_load(struct config *config, const char *file, struct str *error);

#endif
