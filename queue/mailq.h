/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is in the spool, for people and programs: messages come from send (mailq_ask.c) or from the spool's files (mailq_read.c) and go to a printer,
 * one at a time.  Nothing in them is trusted: all text is escaped for a terminal, or for JSON.
 */
#ifndef DEADDROP_QUEUE_MAILQ_H
#define DEADDROP_QUEUE_MAILQ_H

#include <stdio.h>

#include "str.h"

struct mailq_message {
	struct span id, where, sender;	/* where: journal, deferred, dead */
	uint64_t arrival;		/* microseconds since 1970 */
	uint64_t size;			/* bytes */
};

struct mailq_recipient {
	struct span address, state;	/* state: new, later, done, … */
	uint64_t tries;
	uint64_t next;			/* microseconds since 1970, or 0 */
	struct span status, drop, reason;	/* empty where there is none */
};

struct mailq_out;

struct mailq_printer {
	void (*begin)(struct mailq_out *out);
	void (*message)(struct mailq_out *out, const struct mailq_message *message);
	void (*recipient)(struct mailq_out *out, const struct mailq_recipient *recipient);
	void (*end)(struct mailq_out *out);
};

struct mailq_out {
	const struct mailq_printer *printer;
	FILE *file;
	uint64_t now;			/* microseconds since 1970 */
	uint64_t messages, bytes;	/* printed so far */
	uint64_t oldest;		/* arrival of the oldest of them, if there is one */
	uint64_t recipients;		/* of the last message */
	bool begun;
};

extern const struct mailq_printer mailq_text_printer, mailq_json_printer;

void mailq_message(struct mailq_out *out, const struct mailq_message *message);
void mailq_recipient(struct mailq_out *out, const struct mailq_recipient *recipient);
void mailq_end(struct mailq_out *out);

/* Takes the next character of UTF-8.  -1: the byte at the head is none; in both cases rest goes on behind it. */
int32_t mailq_character(struct span *rest);
/* Appends value with everything that could act on a terminal as \xHH or \u{HHHH}. */
int mailq_put_safe(struct str *out, struct span value);
/* Appends value as a JSON string with its quotes; bytes that are no UTF-8 become \ufffd. */
int mailq_put_json(struct str *out, struct span value);
/* Appends "5s", "12m", "3h20m", "4d2h". */
int mailq_put_duration(struct str *out, uint64_t microseconds);

/* Asks send.  0, or -1 with error; out->begun tells whether anything was printed before. */
int mailq_ask(const char *socket, struct mailq_out *out, struct str *error);
/* Takes one answer of send's.  1: the last; 0: go on; -1: error says what is wrong with it. */
int mailq_answer(struct mailq_out *out, char type, struct span value, struct str *error);
/* Reads the spool's files.  0, or -1 with error: they cannot be read, or not all (out->begun tells). */
int mailq_read(const char *path, struct mailq_out *out, struct str *error);

#endif
