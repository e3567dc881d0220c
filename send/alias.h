/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Aliases: the grammar of aliases(5) as sendmail and Postfix read it.  Files are read before the jail; looking up is pure.  A value is an address, a local name,
 * \name (that name and no alias of it), :include:/file, a drop NAME:drop, or /dev/null (the drop "discard").  Programs and files are refused: they
 * are drops of deaddrop-local, with a name.
 */
#ifndef DEADDROP_ALIAS_H
#define DEADDROP_ALIAS_H

#include "inputs.h"
#include "plan.h"

#define ALIAS_FILE_MAX (16U * 1024 * 1024)
#define ALIAS_INCLUDES_MAX 8		/* files within files */

enum alias_kind { ALIAS_ADDRESS, ALIAS_PLAIN, ALIAS_DROP };

struct alias_table *alias_table_new(struct inputs *inputs);	/* NULL: no memory.  inputs: where files come from, or NULL: the host */
void alias_table_free(struct alias_table *table);	/* NULL is allowed here and below */
/* Reads one more file.  0, or -1 with error "file:line: …". */
int alias_table_load(struct alias_table *table, const char *path, struct str *error);
/* After the last file: names that are there twice, and loops, are errors.  A name may lead to itself, which means that name. */
int alias_table_finish(struct alias_table *table, const struct plan *plan, struct str *error);
#define ALIAS_FORWARD_DROPS 16

struct alias_drops {			/* what users may name in their files */
	struct str all[ALIAS_FORWARD_DROPS];
	size_t count;
};

/*
 * After that: the files of a directory of root's, each called like a user whom it belongs to.  What is wrong in one is said in notes, a line each, and its user has none then; a name that has an
 * alias keeps it.  0, or -1 with error: the directory itself cannot be used.
 */
int alias_table_forward(struct alias_table *table, const char *dir, const struct alias_drops *drops, struct str *notes, struct str *error);
/* Calls see for each drop named, with its place.  0, or -1 if it said so. */
int alias_table_drops(const struct alias_table *table, int (*see)(void *arg, const char *file, unsigned line, struct span drop), void *arg);

/* What an address leads to in the end: add is called for each, ADDRESS or PLAIN alike being addresses.  0, or -1 if it said so. */
typedef int alias_add_fn(void *arg, enum alias_kind kind, struct span text);
int alias_expand(const struct plan *plan, const struct plan_query *query, struct span address, alias_add_fn *add, void *arg);

#endif
