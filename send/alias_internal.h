/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files alias*.c share. */
#ifndef DEADDROP_ALIAS_INTERNAL_H
#define DEADDROP_ALIAS_INTERNAL_H

#include "alias.h"

struct alias_value {
	enum alias_kind kind;
	struct str text;
	const char *file;		/* the table's */
	unsigned line;
};

struct alias {
	struct str name;		/* in lower case */
	const char *file;
	unsigned line;
	struct alias_value *values;
	size_t count;
	unsigned char state;		/* while loops are looked for */
};

struct alias_table {
	struct alias *all;		/* sorted by name once it is finished */
	size_t count;
	char **files;
	size_t file_count;
	struct inputs *inputs;		/* or NULL */
};

const char *alias_keep_file(struct alias_table *table, const char *path);	/* the name, which lives as long as the table; NULL: no memory */
void alias_sort(struct alias_table *table);
/* By name without case; of a finished table. */
struct alias *alias_find(const struct alias_table *table, struct span name);
/* The alias that applies to a local name: its own, or that of the part before a plus; extension is then what follows the plus. */
struct alias *alias_of(const struct alias_table *table, struct span name, struct span *extension);

#endif
