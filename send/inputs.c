/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "inputs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "text.h"

void
inputs_init(struct inputs *inputs)
{
	*inputs = (struct inputs){ .text = STR_INIT(INPUTS_MAX) };
}

void
inputs_free(struct inputs *inputs)
{
	str_free(&inputs->text);
}

bool
inputs_again(const struct inputs *inputs)
{
	return inputs != NULL && inputs->again;
}

int
inputs_keep(struct inputs *inputs, const char *kind, const char *name, struct span value)
{
	size_t len;

	if (inputs == NULL || inputs->again)
		return 0;
	len = inputs->text.len;
	if (str_printf(&inputs->text, "%s %zu ", kind, value.len) == 0 && text_encode(&inputs->text, span_of(name)) == 0
	    && str_add_char(&inputs->text, '\n') == 0 && str_add_span(&inputs->text, value) == 0 && str_add_char(&inputs->text, '\n') == 0)
		return 0;
	str_cut(&inputs->text, len);
	return -1;
}

/* One entry from the head of *rest. */
static bool
next(struct span *rest, struct span *kind, struct span *name, struct span *value)
{
	struct span line, word;
	uint64_t len;

	if (!span_word(rest, '\n', &line) || !span_word(&line, ' ', kind) || !span_word(&line, ' ', &word)
	    || span_decimal(word, INPUTS_MAX, &len) < 0 || len + 1 > rest->len)
		return false;
	*name = line;
	*value = (struct span){ rest->data, (size_t)len };
	*rest = span_skip(*rest, (size_t)len + 1);
	return true;
}

bool
inputs_find(const struct inputs *inputs, const char *kind, const char *name, struct span *value)
{
	struct span rest, its_kind, its_name;
	struct str word = STR_INIT(8192);
	bool found = false;

	if (!inputs_again(inputs))
		return false;
	rest = str_span(&inputs->text);
	while (!found && next(&rest, &its_kind, &its_name, value)) {
		str_cut(&word, 0);
		found = span_is(its_kind, kind) && text_decode(&word, its_name) == 0 && span_is(str_span(&word), name);
	}
	str_free(&word);
	return found;
}

static int
read_all(const char *path, struct str *text)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), saved;
	ssize_t n = -1;

	while (fd >= 0 && (n = str_reserve(text, 65536) < 0 ? -1 : read(fd, text->data + text->len, 65536)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		text->len += (size_t)n;
		text->data[text->len] = '\0';
	}
	saved = errno;
	if (fd >= 0)
		close(fd);
	errno = saved;
	return n < 0 ? -1 : 0;
}

int
inputs_read(struct inputs *inputs, const char *kind, const char *path, struct str *text, struct str *error)
{
	struct span value;
	int result;

	errno = ENOENT;
	if (inputs_again(inputs)) {
		result = inputs_find(inputs, kind, path, &value) ? str_add_span(text, value) : -1;
	} else {
		result = read_all(path, text);
		if (result == 0)
			result = inputs_keep(inputs, kind, path, str_span(text));
	}
	if (result == 0)
		return 0;
	str_cut(error, 0);
	str_printf(error, "%s%s: %s", strcmp(kind, "config") ? "" : "configuration ", path, strerror(errno));
	return -1;
}
