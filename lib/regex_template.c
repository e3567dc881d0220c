/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "regex.h"

#include <errno.h>
#include <stdlib.h>

struct regex_template {
	struct str text;		/* as written; it was checked, so that expanding it cannot go wrong */
	bool fixed;
};

/* One piece off the front of *rest: plain bytes, or a capture (then plain is empty).  NULL, or what is wrong. */
static const char *take_piece(struct span *rest, struct span *plain, size_t *capture)
{
	uint64_t number;
	struct span digits;
	size_t len = 0;

	*plain = (struct span){ rest->data, 0 };
	while (len < rest->len && rest->data[len] != '$')
		len++;
	if (len > 0) {
		plain->len = len;
		*rest = span_skip(*rest, len);
		return NULL;
	}
	if (rest->len > 1 && rest->data[1] == '$') {
		plain->len = 1;
		*rest = span_skip(*rest, 2);
		return NULL;
	}
	digits = (struct span){ rest->data + 1, rest->len > 1 ? 1 : 0 };
	len = 2;
	if (digits.len > 0 && digits.data[0] == '{') {
		for (digits = (struct span){ rest->data + 2, 0 }; 2 + digits.len < rest->len && digits.data[digits.len] != '}';)
			digits.len++;
		if (2 + digits.len == rest->len)
			return "\"${\" without \"}\"";
		len = digits.len + 3;
	}
	if (digits.len == 0 || span_decimal(digits, 1000, &number) < 0)
		return "a \"$\" that is no capture (write $$ for a dollar)";
	*capture = (size_t)number;
	*rest = span_skip(*rest, len);
	return NULL;
}

static int fail(struct str *error, const char *text)
{
	if (error != NULL)
		(void)str_set(error, span_of(text));
	return -1;
}

static int check(struct regex_template *template, size_t captures, struct str *error)
{
	struct span rest = str_span(&template->text), plain;

	while (rest.len > 0) {
		size_t capture = 0;
		const char *wrong = take_piece(&rest, &plain, &capture);

		if (wrong != NULL)
			return fail(error, wrong);
		if (plain.len > 0)
			continue;
		template->fixed = false;
		if (capture > captures) {
			if (error != NULL) {
				str_cut(error, 0);
				(void)str_printf(error, "there is no capture %zu (the pattern has %zu)", capture, captures);
			}
			return -1;
		}
	}
	return 0;
}

struct regex_template *regex_template_new(struct span text, size_t captures, struct str *error)
{
	struct regex_template *template = calloc(1, sizeof(*template));
	int result;

	if (template == NULL) {
		(void)fail(error, "out of memory");
		return NULL;
	}
	template->text = (struct str)STR_INIT(REGEX_PATTERN_MAX);
	template->fixed = true;
	if (str_set(&template->text, text) < 0)
		result = fail(error, errno == ENOMEM ? "out of memory" : "the replacement is too long");
	else
		result = check(template, captures, error);
	if (result == 0)
		return template;
	regex_template_free(template);
	return NULL;
}

void regex_template_free(struct regex_template *template)
{
	if (template == NULL)
		return;
	str_free(&template->text);
	free(template);
}

bool regex_template_fixed(const struct regex_template *template)
{
	return template->fixed;
}

int regex_template_expand(const struct regex_template *template, const struct regex_match *match, struct str *out)
{
	struct span rest = str_span(&template->text), plain;
	const size_t before = out->len;

	while (rest.len > 0) {
		size_t capture = 0;

		(void)take_piece(&rest, &plain, &capture);
		if (plain.len == 0 && capture < match->count && match->at[capture].data != NULL)
			plain = match->at[capture];
		if (str_add_span(out, plain) < 0) {
			str_cut(out, before);
			return -1;
		}
	}
	return 0;
}
