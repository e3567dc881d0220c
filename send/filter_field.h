/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One substitution in one field's value: decoded (RFC 2047), replaced, encoded again. */
#ifndef DEADDROP_FILTER_FIELD_H
#define DEADDROP_FILTER_FIELD_H

#include "regex.h"

struct filter_rule {
	struct regex *regex;		/* or the literal, which is all of the subject: */
	struct str literal;
	struct regex_template *replacement;
};

/* 1: out has the new value without a newline at its end, empty if nothing is left; 0: nothing matched; -1 with errno, ELOOP at a limit. */
int filter_field_text(const struct filter_rule *rule, struct span value, struct str *out);
/* The same for a list of addresses, each of which is a subject as local@domain; its display name stays. */
int filter_field_addresses(const struct filter_rule *rule, struct span value, struct str *out);

#endif
