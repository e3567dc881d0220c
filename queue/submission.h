/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A message that is being handed in, from its M to its answer.
 */
#ifndef DEADDROP_SUBMISSION_H
#define DEADDROP_SUBMISSION_H

#include "keys.h"
#include "received.h"
#include "record.h"

#define SUBMISSION_ORIGIN_MAX 32
/* A larger one streams into a file of its own where memory is short.  With the Received field such a message is inline for the deliverers (61,440 bytes). */
#define SUBMISSION_SMALL (61440U - RECEIVED_MAX)
#define SUBMISSION_SHARED (256U * 1024)	/* and one that is larger than this always does */
#define SUBMISSION_OVERHEAD 1024U	/* what one costs beside its bytes */
#define SUBMISSION_PIECE (512U * 1024)	/* most of a body that waits in memory */
#define SUBMISSION_ENVELOPE (3U * 1024 * 1024)	/* with attributes still below RECORD_HEADER_MAX */

struct large;

struct submission_origin {		/* who hands it in: the word is its own, the rest the kernel's */
	char word[SUBMISSION_ORIGIN_MAX + 1];
	uid_t uid;
	pid_t pid;
};

struct submission {
	struct submission *next;
	void *owner;			/* the connection, for whom settles it */
	struct submission_origin origin;
	struct keys_key key;
	struct keys_entry *entry;	/* its pending key, from its end on */
	struct envelope envelope;
	struct str body;		/* what came and is not written yet */
	uint64_t size;			/* of what came in all */
	uint64_t cost;			/* bytes of memory that are accounted for it */
	unsigned attributes;		/* bits of those that were given */
	unsigned recipient_attributes;	/* the same of the last recipient's */
	bool has_sender;
	bool hide;			/* the client stays out of the Received field */
	struct large *large;		/* its own file, or NULL */
	bool streams;			/* it counts among the large ones */
	uint64_t arrival;		/* microseconds since 1970 */
	struct id id;			/* once it has a place */
};

struct submission *submission_new(struct keys_key key, const struct submission_origin *origin);	/* NULL: no memory */
void submission_free(struct submission *submission);	/* NULL is allowed; large must be NULL */

uint64_t submission_memory(const struct submission *submission);

/* Appends the Received field; id and arrival must be set. */
int submission_received(const struct submission *submission, struct span host, struct str *out);
/* Appends the record's header; id and arrival must be set. */
int submission_header(const struct submission *submission, uint64_t mark, uint64_t committed, uint64_t body_len, uint32_t body_crc,
    struct str *out);

#endif
