/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * libFuzzer: what stands before the first NUL byte is send.conf, what follows a message.  The configuration is refused with file and line, or every recipient leads
 * to a drop; a header that the filters changed is fields again, with its empty line if it had one, and no field more than before.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../send/config.h"
#include "../../send/filter.h"
#include "message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
fields(struct span header)
{
	struct message_field f;
	size_t n = 0;

	while (message_next(&header, &f))
		n++;
	return n;
}

static int
see(void *arg, const struct plan_step *step)
{
	size_t *n = arg;

	if (step->drop.len == 0 || step->drop.len > PLAN_DROP_LEN)
		abort();
	++*n;
	return 0;
}

static void
try_message(const struct config *config, struct span message)
{
	static const char *const recipients[] = { "root", "root+x@localhost", "frank@example.org", "list-a.b@example.org" };
	struct record record = { .sender = span_of("frank@example.org"), .origin = span_of("inject"), .key = span_of("-"), .body_len = message.len };
	struct span header = { message.data, message_header_length(message) };
	struct plan_query query = { &record, message, NULL };
	struct str out = STR_INIT(64 << 20);

	for (size_t i = 0; i < sizeof(recipients) / sizeof(recipients[0]); i++) {
		size_t n = 0;

		if (plan_make(&config->plan, &query, span_of(recipients[i]), see, &n) < 0 || n == 0)
			abort();
	}
	if (config->plan.filters != NULL && filter_list_apply(config->plan.filters, header, span_of("local:inbox"), &query, &out) == FILTER_CHANGED &&
	    (fields(str_span(&out)) > fields(header) || memchr(out.data, 0, out.len) != NULL) && memchr(header.data, 0, header.len) == NULL)
		abort();
	str_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *nul = memchr(data, 0, size);
	size_t len = nul == NULL ? size : (size_t)(nul - data);
	struct span message = nul == NULL ? span_of("Subject: [cron] a\nFrom: root@localhost\n\nbody\n") : (struct span){ (const char *)nul + 1, size - len - 1 };
	struct str error = STR_INIT(64 * 1024);
	struct config config;
	char path[64];
	int fd = memfd_create("send.conf", MFD_CLOEXEC);

	/* A configuration may name the files of this machine: not here. */
	if (memmem(data, len, "aliases", 7) != NULL) {
		close(fd);
		return 0;
	}
	config_init(&config);
	if (fd < 0 || write(fd, data, len) != (ssize_t)len)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (config_load(&config, path, &error) == 0)
		try_message(&config, message);
	else if (error.len == 0 || strchr(error.data, ':') == NULL)
		abort();
	config_free(&config);
	str_free(&error);
	close(fd);
	return 0;
}
