/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define NAME_MAX_BYTES 255

/* A name goes into addresses, fields and file names: one with odd bytes is worse than none. */
static int add_name(struct str *out, struct span name)
{
	bool good = name.len > 0 && name.len <= NAME_MAX_BYTES;

	for (size_t i = 0; i < name.len && good; i++) {
		char c = name.data[i];

		good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
	}
	return str_add_span(out, good ? name : span_of("localhost"));
}

int host_name(struct str *out)
{
	char name[NAME_MAX_BYTES + 2] = "";

	if (gethostname(name, sizeof name - 1) < 0)
		name[0] = '\0';
	return add_name(out, span_of(name));
}

static ssize_t read_head(const char *path, char *to, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	ssize_t n;

	if (fd < 0)
		return -1;
	do
		n = read(fd, to, size);
	while (n < 0 && errno == EINTR);
	close(fd);
	return n;
}

int host_mail_name_of(struct str *out, const char *path)
{
	char head[1024];
	ssize_t n = read_head(path, head, sizeof head);
	struct span rest = { head, n > 0 ? (size_t)n : 0 }, line;

	if (!span_word(&rest, '\n', &line))
		return host_name(out);
	line = span_trim(line);
	return line.len > 0 ? add_name(out, line) : host_name(out);
}

int host_mail_name(struct str *out)
{
	return host_mail_name_of(out, "/etc/mailname");
}
