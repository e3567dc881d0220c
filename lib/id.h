/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Names of journal files, ids of messages, keys of jobs (deaddrop-spool(5), Names).
 */
#ifndef DEADDROP_ID_H
#define DEADDROP_ID_H

#include "str.h"

#define ID_NAME_LEN 33		/* 16 digits, '-', 16 hex digits */
#define ID_TEXT_MAX 48		/* an id as text, with its NUL */
#define ID_KEY_MAX 96		/* a job's key as text, with its NUL */

struct id_name {		/* a journal file */
	uint64_t usec;
	uint64_t random;
};

/* A bounce's id is its parent's with this bit in the index; as text it is the parent's with "-b" at its end. */
#define ID_BOUNCE UINT32_C(0x80000000)
#define ID_INDEX_MAX (ID_BOUNCE - 1)

struct id {			/* a message */
	struct id_name name;
	uint32_t index;		/* in its journal file, and perhaps ID_BOUNCE */
};

struct id_key {			/* a job */
	struct id id;
	uint32_t part;
	uint64_t hash;
};

int id_random(void *data, size_t len);                          /* from the kernel; 0 or -1 */
int id_new_name(uint64_t newest_usec, struct id_name *name);    /* wall clock, at least newest_usec + 1; 0 or -1 */
int id_compare_names(struct id_name a, struct id_name b);       /* <0, 0, >0: order of acceptance */
bool id_equal(struct id a, struct id b);
void id_name_text(struct id_name name, char text[static ID_NAME_LEN + 1]);
void id_text(struct id id, char text[static ID_TEXT_MAX]);
void id_key_text(struct id_key key, char text[static ID_KEY_MAX]);
int id_parse_name(struct span text, struct id_name *name);      /* strict; 0, or -1 EINVAL */
int id_parse(struct span text, struct id *id);
int id_parse_key(struct span text, struct id_key *key);
uint64_t id_hash(struct span drop);                             /* FNV-1a, 64 bits */

#endif
