/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "author.h"

#include <errno.h>
#include <string.h>

#include "address.h"
#include "compose.h"
#include "envelope.h"
#include "person.h"
#include "qualify.h"

void author_init(struct author *a)
{
	*a = (struct author){ STR_INIT(ENVELOPE_ADDRESS_MAX), STR_INIT(ENVELOPE_ADDRESS_MAX), STR_INIT(COMPOSE_NAME_MAX), false };
}

void author_free(struct author *a)
{
	str_free(&a->sender);
	str_free(&a->address);
	str_free(&a->name);
}

static int keep(void *arg, struct span address, bool good)
{
	if (!good || address.len == 0 || !address_is_valid(address, true) || str_set(arg, address) < 0)
		return 1;
	return 2;			/* one is enough */
}

/* "", "<>", "user", "<a@b>", "Name <a@b>".  False: no address. */
static bool parse(struct str *sender, const char *given, struct span host)
{
	struct span text = span_trim(span_of(given));

	str_cut(sender, 0);
	if (text.len == 0 || span_is(text, "<>"))
		return true;
	return qualify_addresses(text, host, NULL, keep, sender) == 2;
}

/* login@mailname, and the account's full name where it is wanted */
static int find_person(struct str *address, struct str *name, const struct settings *settings)
{
	struct str login = STR_INIT(ENVELOPE_ADDRESS_MAX), full = STR_INIT(SETTINGS_TEXT_MAX);
	int r = person_find(&login, &full);

	if (r == 0)
		r = address_qualify(address, str_span(&login), str_span(&settings->name));
	if (r == 0 && name && full.len <= COMPOSE_NAME_MAX)
		r = str_set(name, str_span(&full));
	str_free(&login);
	str_free(&full);
	return r;
}

int author_find(struct author *a, const struct options *o, const struct settings *settings, const char *given, struct str *warning)
{
	if (!given)
		given = o->sender;
	if (given) {
		if (parse(&a->sender, given, str_span(&settings->name))) {
			if (a->sender.len == 0)
				return 0;
		} else {
			str_printf(warning, "the sender \"%.80s\" is no address: passed over", given);
			given = NULL;
		}
	}
	a->own = !given;
	if (settings->sender.len > 0)
		return str_set(&a->sender, (struct span){ "", 0 }) < 0 ? -1
		    : address_qualify(&a->sender, str_span(&settings->sender), str_span(&settings->name));
	return given ? 0 : find_person(&a->sender, &a->name, settings);
}

/* Controls in a name could break the field. */
static int clean_name(struct str *name, const char *text)
{
	size_t len = strlen(text), i;

	if (len > COMPOSE_NAME_MAX)
		len = COMPOSE_NAME_MAX;
	if (str_set(name, (struct span){ text, len }) < 0)
		return -1;
	for (i = 0; i < name->len; i++)
		if ((unsigned char)name->data[i] < ' ' || name->data[i] == 0x7f)
			name->data[i] = ' ';
	return 0;
}

int author_complete(struct author *a, const struct options *o, const struct settings *settings)
{
	int r;

	if (a->sender.len == 0 || (a->own && settings->sender.len > 0))
		r = find_person(&a->address, &a->name, settings);
	else
		r = str_set(&a->address, str_span(&a->sender));
	if (r == 0 && a->sender.len > 0)
		r = str_set(&a->address, str_span(&a->sender));
	if (r == 0 && o->full_name)
		r = clean_name(&a->name, o->full_name);
	return r;
}
