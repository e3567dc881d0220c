/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "named.h"

#include <errno.h>

#include "address.h"
#include "envelope.h"
#include "given.h"
#include "qualify.h"

struct to {
	struct recipients *named;
	struct compose *compose;
};

static int name(void *arg, struct span address, bool good)
{
	struct to *to = arg;

	if (good && (address.len == 0 || recipients_add(to->named, address) == 0))
		return 0;
	if (good && errno != EINVAL)
		return -1;
	compose_bad(to->compose, address);
	return 0;
}

int named_arguments(struct recipients *named, struct compose *compose, char *const *words, size_t count)
{
	struct to to = { named, compose };
	size_t i;

	for (i = 0; i < count; i++)
		if (qualify_addresses(span_of(words[i]), str_span(&compose->settings->name), NULL, name, &to) < 0)
			return -1;
	return 0;
}

int named_given(struct recipients *named, struct compose *compose, struct span list)
{
	struct to to = { named, compose };
	struct str whole = STR_INIT(2 * ENVELOPE_ADDRESS_MAX);
	struct span recipient;
	int r = 0;

	while (r == 0 && given_next(&list, &recipient)) {
		str_cut(&whole, 0);
		if (address_qualify(&whole, recipient, str_span(&compose->settings->name)) == 0)
			r = name(&to, str_span(&whole), true);
		else if (errno == EMSGSIZE)
			r = name(&to, recipient, false);
		else
			r = -1;
	}
	str_free(&whole);
	return r;
}

int named_merge(struct recipients *named, const struct recipients *header, bool subtract)
{
	struct recipients both;
	struct span rest = str_span(&header->text), address;
	int r = 0;

	recipients_init(&both);
	while (r == 0 && recipients_next(&rest, &address))
		if (!subtract || !recipients_has(named, address))
			r = recipients_add(&both, address);
	rest = str_span(&named->text);
	while (r == 0 && !subtract && recipients_next(&rest, &address))
		r = recipients_add(&both, address);
	recipients_free(named);
	*named = both;
	return r;
}
