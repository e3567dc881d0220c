/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "envelope.h"

#include <errno.h>

#include "text.h"

void envelope_init(struct envelope *e, size_t bytes_max)
{
	*e = (struct envelope){ STR_INIT(bytes_max), STR_INIT(bytes_max), STR_INIT(bytes_max), 0 };
}

void envelope_clear(struct envelope *e)
{
	str_cut(&e->lines, 0);
	str_cut(&e->sender, 0);
	str_cut(&e->rcpts, 0);
	e->count = 0;
}

void envelope_free(struct envelope *e)
{
	str_free(&e->lines);
	str_free(&e->sender);
	str_free(&e->rcpts);
	e->count = 0;
}

static int fail(int error)
{
	errno = error;
	return -1;
}

static int check(struct span value, size_t max)
{
	if (value.len > max)
		return fail(EMSGSIZE);
	if (!text_is_clean(value, max))
		return fail(EINVAL);
	return 0;
}

bool envelope_is_name(struct span name)
{
	if (name.len == 0 || name.len > ENVELOPE_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.data[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-')
			return false;
	}
	return true;
}

/* Appends "word [NAME ]VALUE\n", all of it or nothing. */
static int add_line(struct str *to, const char *word, struct span name, struct span value)
{
	size_t before = to->len;

	if (str_add(to, word) == 0 && str_add_char(to, ' ') == 0 &&
	    (name.len == 0 || (str_add_span(to, name) == 0 && str_add_char(to, ' ') == 0)) &&
	    str_add_span(to, value) == 0 && str_add_char(to, '\n') == 0)
		return 0;
	str_cut(to, before);
	return -1;
}

static int add_attribute(struct str *to, const char *word, struct span name, struct span value)
{
	if (!envelope_is_name(name))
		return fail(EINVAL);
	if (check(value, ENVELOPE_VALUE_MAX) < 0)
		return -1;
	return add_line(to, word, name, value);
}

int envelope_set_sender(struct envelope *e, struct span address)
{
	if (check(address, ENVELOPE_ADDRESS_MAX) < 0)
		return -1;
	return str_set(&e->sender, address);
}

int envelope_add_attribute(struct envelope *e, struct span name, struct span value)
{
	return add_attribute(&e->lines, "attr", name, value);
}

int envelope_add_recipient(struct envelope *e, struct span address)
{
	if (address.len == 0)
		return fail(EINVAL);
	if (check(address, ENVELOPE_ADDRESS_MAX) < 0)
		return -1;
	if (add_line(&e->rcpts, "rcpt", (struct span){ "", 0 }, address) < 0)
		return -1;
	e->count++;
	return 0;
}

int envelope_add_recipient_attribute(struct envelope *e, struct span name, struct span value)
{
	if (e->count == 0)
		return fail(EINVAL);
	return add_attribute(&e->rcpts, "rattr", name, value);
}
