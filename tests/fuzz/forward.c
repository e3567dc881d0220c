/* SPDX-License-Identifier: GPL-3.0-or-later */
/* libFuzzer: any bytes as a user's file of forward DIR.  It is passed over with a note, or leads to addresses and to drops that it may name. */
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../send/alias_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
see(void *arg, enum alias_kind kind, struct span text)
{
	(void)arg;
	if (text.len == 0 || memchr(text.data, '\n', text.len) != NULL || (kind == ALIAS_DROP && memcmp(text.data, "local:folder", 12) != 0)
	    || (kind == ALIAS_DROP && memmem(text.data, text.len, "/.", 2) != NULL))
		abort();
	return 0;
}

static void
try(const char *dir, const char *user)
{
	struct alias_drops drops = { .all = { STR_INIT(100) }, .count = 1 };
	struct str notes = STR_INIT(65536), error = STR_INIT(8192);
	struct alias_table *table = alias_table_new(NULL);
	struct plan_query query = { NULL, { "", 0 }, NULL, NULL };
	struct plan plan;

	plan_init(&plan);
	plan.aliases = table;
	if (table == NULL || str_add(&drops.all[0], "local:folder") < 0 || plan_add_local(&plan, span_of("localhost")) < 0
	    || alias_table_forward(table, dir, &drops, &notes, &error) < 0 || (table->count == 0) == (notes.len == 0))
		abort();
	if (alias_expand(&plan, &query, span_of(user), see, NULL) < 0)
		abort();
	plan_free(&plan);
	str_free(&drops.all[0]);
	str_free(&notes);
	str_free(&error);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char dir[] = "/tmp/deaddrop-fuzz-forward";
	const struct passwd *user = getpwuid(geteuid());
	char path[200];
	int fd;

	if (user == NULL || snprintf(path, sizeof(path), "%s.%ld/%s", dir, (long)getpid(), user->pw_name) >= (int)sizeof(path))
		abort();
	*strrchr(path, '/') = '\0';
	(void)mkdir(path, 0700);
	path[strlen(path)] = '/';
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	close(fd);
	*strrchr(path, '/') = '\0';
	try(path, user->pw_name);
	return 0;
}
