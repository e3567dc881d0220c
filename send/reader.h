/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The reader of the journal: file by file in the order of names, record by record, as far as their bytes may be acted on.  Each record's
 * message is checked against its CRC before it is handed out.
 */
#ifndef DEADDROP_READER_H
#define DEADDROP_READER_H

#include "record.h"
#include "replay.h"
#include "window.h"

struct send;
struct file;

struct reader {
	struct window window;
	struct replay replay;		/* outcomes noted by a process before, of the file that is being read */
	const struct file *replay_file;
	const struct file *checking;	/* a large message whose CRC is being worked out, in pieces */
	uint64_t check_at, check_left;
	uint32_t check_crc;
	size_t behind;			/* files that queue holds and has written to beyond what it announced */
	uint64_t checked;		/* the end of the last large message whose CRC was right, in checking */
};

void reader_init(struct reader *r);
void reader_free(struct reader *r);
void reader_forget(struct send *s, const struct file *f);
/* Queue's word: the file is on stable storage up to length; ended: and queue is done with it. */
void reader_announced(struct send *s, struct file *f, uint64_t length, bool ended);
/* Looks how long the file is, and makes what was not announced usable by syncing it. */
void reader_look(struct send *s, struct file *f);
bool reader_turn(struct send *s);	/* true: there is more to do */
/* Whether the file may hold messages that were there when this process began, and were not read by it.  What is not written yet is NULs. */
bool reader_has_unread(struct send *s, struct file *f);
bool reader_is_idle(const struct send *s);

#endif
