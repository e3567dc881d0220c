/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The spool's record (deaddrop-spool(5), RECORDS): writing its header, and reading what stands at a place in a file.
 * Pure: no descriptor, no clock.
 */
#ifndef DEADDROP_RECORD_H
#define DEADDROP_RECORD_H

#include <sys/types.h>

#include "envelope.h"
#include "id.h"

#define RECORD_LINE 72			/* bytes of the first line */
#define RECORD_END_LINE 58		/* bytes of an end mark */
#define RECORD_HEADER_MAX (4U * 1024 * 1024)
#define RECORD_KEY_LEN 32		/* hexadecimal digits of a submission key */

struct record {				/* one that was read; spans lie in the buffer */
	uint64_t mark;
	uint32_t header_len;
	uint64_t body_len;
	uint32_t body_crc;
	struct id id;
	uint64_t arrival;		/* microseconds since 1970 */
	uint64_t committed;
	struct span key;		/* RECORD_KEY_LEN digits, or "-" */
	struct span origin;		/* the word */
	uid_t uid;
	pid_t pid;
	struct span attributes;		/* the "attr" lines */
	struct span sender;
	struct span recipients;		/* the "rcpt" and "rattr" lines */
	uint32_t recipient_count;
};

enum record_kind {
	RECORD_WHOLE,		/* the header is here, whole and right (the body need not be in the buffer) */
	RECORD_MORE,		/* the header is not whole in the buffer; *need bytes from data are wanted */
	RECORD_BLANK,		/* len is 0 or a NUL byte stands here: nothing has been written from here on */
	RECORD_END,		/* an end mark; record->mark and record->committed (its LENGTH) are set */
	RECORD_VERSION,		/* a record of a version that we do not know */
	RECORD_BAD		/* anything else */
};

/* What stands at data.  With RECORD_MORE at the end of a file it is a torn record, that is RECORD_BAD. */
enum record_kind record_read(const char *data, size_t len, struct record *record, size_t *need);

uint32_t record_body_crc(uint64_t mark);                        /* to go on with crc32c over the body */

/* Iterates record->recipients.  Begin with *rest = record->recipients.  attributes: the recipient's "rattr" lines. */
bool record_next_recipient(struct span *rest, struct span *address, struct span *attributes);
/* Iterates attribute lines (attributes of a record or of a recipient). */
bool record_next_attribute(struct span *rest, struct span *name, struct span *value);
struct span record_attribute(struct span attributes, const char *name);         /* empty if it is not there */

/*
 * Writing.  record_build appends the whole header to out; body length and CRC may be unknown yet: then pass 0 for both, and call
 * record_seal with the header's bytes before they are written.  record_seal sets BLEN, BCRC, committed stays, and computes HCRC;
 * it is called by record_build itself.
 */
struct record_header {
	uint64_t mark;
	struct id id;
	uint64_t arrival;
	uint64_t committed;
	struct span key;
	struct span origin;
	uid_t uid;
	pid_t pid;
	const struct envelope *envelope;
};

int record_build(struct str *out, const struct record_header *header, uint64_t body_len, uint32_t body_crc);
void record_seal(char *header, size_t header_len, uint64_t body_len, uint32_t body_crc);
int record_end_mark(struct str *out, uint64_t mark, uint64_t length);

/* Where the next place at or after from is at which "%deaddrop 1 MARK" or its end mark stands; len if there is none. */
size_t record_find(const char *data, size_t len, size_t from, uint64_t mark);

#endif
