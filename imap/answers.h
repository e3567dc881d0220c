/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a server's answers mean: done, later, never (the table of deaddrop-imap(8)).  Pure. */
#ifndef DEADDROP_IMAP_ANSWERS_H
#define DEADDROP_IMAP_ANSWERS_H

#include "outcome.h"
#include "response.h"

enum answers_about { ANSWERS_APPEND = 1, ANSWERS_LOGIN = 2, ANSWERS_CREATE = 4 };

struct answers_meaning {
	enum outcome_verdict verdict;
	const char *status;
	bool missing;		/* the mailbox is not there: it can be made */
	bool account;		/* it concerns the whole account, which is left alone for a while */
};

/* A NO or BAD, tagged or not.  What is in no row of the table is later. */
const struct answers_meaning *answers_read(enum answers_about about, const struct response *response);

#endif
