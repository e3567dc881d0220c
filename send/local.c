/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "local.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "host.h"

#define WORDS_MAX 64

/* A line of hosts(5) that has the name gives its others: the full one is found so where there is no DNS. */
static int
take_line(struct plan *plan, char *line, struct span host)
{
	struct span words[WORDS_MAX];
	size_t count = 0;
	bool ours = false;
	char *save = NULL;

	line[strcspn(line, "#\n")] = '\0';
	for (char *word = strtok_r(line, " \t", &save); word != NULL && count < WORDS_MAX; word = strtok_r(NULL, " \t", &save)) {
		words[count] = span_of(word);
		ours |= count > 0 && span_is_nocase(words[count], host.data);
		count++;
	}
	for (size_t i = 1; ours && i < count; i++)
		if (plan_add_local(plan, words[i]) < 0)
			return -1;
	return 0;
}

static int
read_hosts(struct plan *plan, struct span host, const char *hosts)
{
	FILE *file = fopen(hosts, "re");
	char line[4096];
	int result = 0;

	if (file == NULL)
		return 0;
	while (result == 0 && fgets(line, sizeof(line), file) != NULL)
		result = take_line(plan, line, host);
	fclose(file);
	return result;
}

int
local_names_of(struct plan *plan, struct span host, const char *hosts)
{
	struct span rest = host, label;

	if (plan_add_local(plan, span_of("localhost")) < 0 || plan_add_local(plan, span_of("localhost.localdomain")) < 0
	    || plan_add_local(plan, host) < 0 || plan_add_local(plan, str_span(&plan->host)) < 0)
		return -1;
	if (span_word(&rest, '.', &label) && rest.len > 0 && plan_add_local(plan, label) < 0)
		return -1;
	return read_hosts(plan, host, hosts);
}

int
local_names(struct plan *plan)
{
	struct str host = STR_INIT(1024);
	int result = host_name(&host);

	if (result == 0)
		result = local_names_of(plan, str_span(&host), "/etc/hosts");
	str_free(&host);
	return result;
}
