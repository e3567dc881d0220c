/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "given.h"

#include <errno.h>
#include <unistd.h>

#define READ_AT_ONCE 4096

int given_read(struct str *text, int fd)
{
	ssize_t n;

	for (;;) {
		if (str_reserve(text, READ_AT_ONCE) < 0)
			return -1;
		n = read(fd, text->data + text->len, READ_AT_ONCE);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0 ? 0 : -1;
		text->len += (size_t)n;
		text->data[text->len] = '\0';
	}
}

bool given_next(struct span *recipients, struct span *recipient)
{
	if (!span_word(recipients, '\0', recipient))
		return false;
	*recipient = span_skip(*recipient, 1);
	return true;
}

int given_parse(struct span text, struct span *sender, struct span *recipients)
{
	struct span rest, word;
	size_t used;

	/* The last NUL is the envelope's end, the one before it that of the last word. */
	if (text.len < 3 || text.data[0] != 'F' || text.data[text.len - 1] != '\0' || text.data[text.len - 2] != '\0')
		return -1;
	rest = (struct span){ text.data + 1, text.len - 2 };
	span_word(&rest, '\0', sender);
	*recipients = rest;
	for (used = 0; span_word(&rest, '\0', &word); used++)
		if (word.len < 2 || word.data[0] != 'T')
			return -1;
	return used > 0 ? 0 : -1;
}
