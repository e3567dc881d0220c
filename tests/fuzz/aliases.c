/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * libFuzzer: any bytes as an aliases(5) file.  It is refused with file and line, or every name that it has can be looked up and expanded within the limits.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../send/alias_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
count(void *arg, enum alias_kind kind, struct span text)
{
	size_t *n = arg;

	(void)kind;
	if (text.data == NULL || ++*n > 2 * PLAN_STEPS_MAX)
		abort();
	return 0;
}

static void
expand_all(const struct alias_table *table, struct plan *plan)
{
	struct plan_query query = { NULL, { "", 0 }, NULL };
	struct str plus = STR_INIT(1 << 20);
	size_t n = 0;

	for (size_t i = 0; i < table->count && i < 50; i++) {
		struct span name = str_span(&table->all[i].name);

		if (alias_find(table, name) == NULL)
			abort();
		n = 0;
		(void)alias_expand(plan, &query, name, count, &n);
		str_cut(&plus, 0);
		if (str_append(&plus, name.data, name.len) == 0 && str_append(&plus, "+x@localhost", 12) == 0) {
			n = 0;
			(void)alias_expand(plan, &query, str_span(&plus), count, &n);
		}
	}
	str_free(&plus);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str error = STR_INIT(64 * 1024);
	struct plan plan;
	char path[64];
	int fd;

	/* An :include: may name what this machine has: files that stand still only. */
	if (memmem(data, size, "/dev", 4) != NULL || memmem(data, size, "/proc", 5) != NULL || memmem(data, size, "/sys", 4) != NULL)
		return 0;
	plan_init(&plan);
	fd = memfd_create("aliases", MFD_CLOEXEC);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size || plan_add_local(&plan, span_of("localhost")) < 0)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	plan.aliases = alias_table_new(NULL);
	if (alias_table_load(plan.aliases, path, &error) == 0 && alias_table_finish(plan.aliases, &plan, &error) == 0)
		expand_all(plan.aliases, &plan);
	else if (error.len == 0 || strchr(error.data, ':') == NULL)
		abort();
	plan_free(&plan);
	str_free(&error);
	close(fd);
	return 0;
}
