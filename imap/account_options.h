/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The lines within a drop of imap.conf. */
#ifndef DEADDROP_IMAP_ACCOUNT_OPTIONS_H
#define DEADDROP_IMAP_ACCOUNT_OPTIONS_H

#include "account.h"

struct account_options {
	struct account_table *table;
	struct account *account;
};

extern const struct conf_verb account_options_verbs[];	/* the argument of their functions is a struct account_options */

#endif
