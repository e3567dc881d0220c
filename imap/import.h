/* SPDX-License-Identifier: GPL-3.0-or-later */
/* deaddrop-imap --import: a mailbox on disk goes to an account, each message once, however often it is begun anew. */
#ifndef DEADDROP_IMAP_IMPORT_H
#define DEADDROP_IMAP_IMPORT_H

#include "session.h"

struct import_request {
	const char *path;		/* a Maildir or an mbox file */
	const char *account;
	const char *mailbox;		/* UTF-8, in place of the account's; or NULL */
	bool subfolders;
};

/* 0, or a sysexits code with error.  Runs the loop of host, which is its own. */
int import_run(const struct session_host *host, const struct account_table *accounts, const struct import_request *request, struct str *error);

#endif
