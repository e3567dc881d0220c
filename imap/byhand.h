/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One message from a descriptor into an account: deaddrop-imap by hand, or as the delivery program of another mail system. */
#ifndef DEADDROP_IMAP_BYHAND_H
#define DEADDROP_IMAP_BYHAND_H

#include "session.h"

/* target: the account's name, and behind a slash the argument.  0, or a sysexits code with error: 75 where it may be tried again, others where it may not.  *where: what the server
 * said.  Runs the loop of host, which is its own. */
int byhand_run(const struct session_host *host, const struct account_table *accounts, const char *target, int fd, struct str *where, struct str *error);

#endif
