/* SPDX-License-Identifier: GPL-3.0-or-later */
/* --check: logs in to accounts and tells what is there. */
#ifndef DEADDROP_IMAP_CHECK_H
#define DEADDROP_IMAP_CHECK_H

#include "session.h"

/* Of all accounts, or of the one named only; prints to descriptor 1.  0, or a sysexits code with error.  Runs the loop of host, which is its own. */
int check_run(const struct session_host *host, const struct account_table *accounts, const char *only, struct str *error);

#endif
