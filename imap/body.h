/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A job's message as IMAP wants it: every line ends in CRLF, the last one too, and an empty line ends the header.  Read twice: once for the length, once for the
 * wire.  All else stays as it is.
 */
#ifndef DEADDROP_IMAP_BODY_H
#define DEADDROP_IMAP_BODY_H

#include "deliver.h"

struct body {
	const struct deliver_job *job;
	uint64_t length;		/* of the wire form */
	bool has_nul;			/* it needs a binary literal */
	bool needs_gap;			/* a header that nothing ends */
	/* where the reading is */
	uint64_t offset;		/* in the job's message */
	uint64_t given;			/* bytes of the wire form */
	char last;
	unsigned tail;			/* bytes of what is added at the end that are given */
};

/* Measures.  0, or -1 with errno. */
int body_open(struct body *body, const struct deliver_job *job);
void body_rewind(struct body *body);
/* Up to size bytes of the wire form; size at least 4.  The count, 0 at its end, -1 with errno (EIO: the message is not what it was when it was measured). */
ssize_t body_read(struct body *body, char *data, size_t size);

#endif
