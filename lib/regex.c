/* SPDX-License-Identifier: GPL-3.0-or-later */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "regex.h"

#include <errno.h>
#include <stdlib.h>

#include "words.h"

/* A pattern of a sane rule needs some thousands of steps for a header; one that backtracks without end stops within a second. */
#define MATCH_LIMIT 1000000U
#define DEPTH_LIMIT 10000U
#define HEAP_LIMIT 4096U	/* KiB */

struct regex {
	pcre2_code *characters;		/* for subjects in UTF-8; NULL where the pattern is no UTF-8 itself */
	pcre2_code *bytes;		/* for the others; NULL where the pattern names characters that no byte is */
	pcre2_match_context *limits;
	size_t captures;
};

static void set_error(struct str *error, size_t *offset, int code, size_t at)
{
	PCRE2_UCHAR text[256];

	if (offset != NULL)
		*offset = at;
	if (error == NULL)
		return;
	str_cut(error, 0);
	if (pcre2_get_error_message(code, text, sizeof(text)) > 0)
		(void)str_add(error, (const char *)text);
	else
		(void)str_add(error, "it cannot be compiled");
}

static void set_text(struct str *error, size_t *offset, const char *text)
{
	if (offset != NULL)
		*offset = 0;
	if (error != NULL)
		(void)str_set(error, span_of(text));
}

static pcre2_code *compile(struct span pattern, uint32_t options, int *code, PCRE2_SIZE *at)
{
	pcre2_compile_context *context = pcre2_compile_context_create(NULL);
	pcre2_code *compiled;

	*code = PCRE2_ERROR_NOMEMORY;
	*at = 0;
	if (context == NULL)
		return NULL;
	(void)pcre2_set_newline(context, PCRE2_NEWLINE_LF);
	(void)pcre2_set_parens_nest_limit(context, 100);
	/* \C would cut a character in two */
	compiled = pcre2_compile((PCRE2_SPTR)pattern.data, pattern.len, options | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C, code, at, context);
	pcre2_compile_context_free(context);
	return compiled;
}

static int compile_both(struct regex *regex, struct span pattern, unsigned flags, struct str *error, size_t *offset)
{
	const uint32_t nocase = flags & REGEX_NOCASE ? PCRE2_CASELESS : 0;
	const bool utf8 = words_is_utf8(pattern);
	PCRE2_SIZE at, ignored;
	int code, other;

	if (utf8) {
		regex->characters = compile(pattern, nocase | PCRE2_UTF, &code, &at);
		if (regex->characters == NULL) {
			set_error(error, offset, code, at);
			return -1;
		}
	}
	regex->bytes = compile(pattern, nocase | PCRE2_NEVER_UTF, &other, &ignored);
	if (regex->bytes != NULL || utf8)
		return 0;
	set_error(error, offset, other, ignored);
	return -1;
}

struct regex *regex_new(struct span pattern, unsigned flags, struct str *error, size_t *offset)
{
	struct regex *regex;
	uint32_t captures = 0;

	if (pattern.len > REGEX_PATTERN_MAX) {
		set_text(error, offset, "the regular expression is too long");
		return NULL;
	}
	regex = calloc(1, sizeof(*regex));
	if (regex != NULL)
		regex->limits = pcre2_match_context_create(NULL);
	if (regex == NULL || regex->limits == NULL) {
		set_text(error, offset, "out of memory");
		regex_free(regex);
		return NULL;
	}
	(void)pcre2_set_match_limit(regex->limits, MATCH_LIMIT);
	(void)pcre2_set_depth_limit(regex->limits, DEPTH_LIMIT);
	(void)pcre2_set_heap_limit(regex->limits, HEAP_LIMIT);
	if (compile_both(regex, pattern, flags, error, offset) < 0) {
		regex_free(regex);
		return NULL;
	}
	(void)pcre2_pattern_info(regex->characters != NULL ? regex->characters : regex->bytes, PCRE2_INFO_CAPTURECOUNT, &captures);
	regex->captures = captures;
	if (captures < REGEX_CAPTURES_MAX)
		return regex;
	set_text(error, offset, "the regular expression has too many groups");
	regex_free(regex);
	return NULL;
}

void regex_free(struct regex *regex)
{
	if (regex == NULL)
		return;
	pcre2_code_free(regex->characters);
	pcre2_code_free(regex->bytes);
	pcre2_match_context_free(regex->limits);
	free(regex);
}

size_t regex_captures(const struct regex *regex)
{
	return regex->captures;
}

/* Matching */

static int error_of(int code)
{
	switch (code) {
	case PCRE2_ERROR_MATCHLIMIT:
	case PCRE2_ERROR_DEPTHLIMIT:
	case PCRE2_ERROR_HEAPLIMIT:
	case PCRE2_ERROR_RECURSELOOP:
		return ELOOP;
	case PCRE2_ERROR_NOMEMORY:
		return ENOMEM;
	default:
		return EINVAL;
	}
}

static void take_captures(const struct regex *regex, struct span subject, pcre2_match_data *data, int found, struct regex_match *match)
{
	const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(data);

	match->count = regex->captures + 1;
	for (size_t i = 0; i < match->count; i++) {
		PCRE2_SIZE from = i < (size_t)found ? ends[2 * i] : PCRE2_UNSET, to = from == PCRE2_UNSET ? from : ends[2 * i + 1];

		/* \K within a lookahead can set the begin behind the end */
		match->at[i] = from == PCRE2_UNSET || to > subject.len || from > to ? (struct span){ NULL, 0 } : (struct span){ subject.data + from, to - from };
	}
	if (match->at[0].data == NULL)
		match->at[0] = (struct span){ subject.data + subject.len, 0 };
}

static int match_from(const struct regex *regex, struct span subject, bool utf8, size_t from, uint32_t options, struct regex_match *match)
{
	const pcre2_code *code = utf8 && regex->characters != NULL ? regex->characters : regex->bytes;
	pcre2_match_data *data;
	int found;

	if (code == NULL)
		return 0;
	data = pcre2_match_data_create_from_pattern(code, NULL);
	if (data == NULL) {
		errno = ENOMEM;
		return -1;
	}
	/* validity was checked once, by words_is_utf8 */
	found = pcre2_match(code, (PCRE2_SPTR)subject.data, subject.len, from, options | (utf8 ? PCRE2_NO_UTF_CHECK : 0), data, regex->limits);
	if (found > 0 && match != NULL)
		take_captures(regex, subject, data, found, match);
	pcre2_match_data_free(data);
	if (found > 0 || found == PCRE2_ERROR_NOMATCH)
		return found > 0;
	errno = error_of(found);
	return -1;
}

int regex_match(const struct regex *regex, struct span subject, struct regex_match *match)
{
	if (subject.data == NULL)
		subject = span_of("");
	return match_from(regex, subject, words_is_utf8(subject), 0, 0, match);
}

/* Where the search goes on after an empty match at at: behind the next character. */
static size_t step_over(struct span subject, bool utf8, size_t at)
{
	at++;
	while (utf8 && at < subject.len && ((unsigned char)subject.data[at] & 0xc0) == 0x80)
		at++;
	return at;
}

static int replace(const struct regex *regex, const struct regex_template *template, bool all, struct span subject, struct str *out)
{
	const bool utf8 = words_is_utf8(subject);
	size_t from = 0, kept = 0;
	int count = 0, found = 0;
	struct regex_match match;

	while ((count == 0 || all) && from <= subject.len && (found = match_from(regex, subject, utf8, from, 0, &match)) > 0) {
		size_t begin = (size_t)(match.at[0].data - subject.data), end = begin + match.at[0].len;

		if (begin < kept)		/* \K and lookbehind: not into what was replaced */
			break;
		if (str_append(out, subject.data + kept, begin - kept) < 0 || regex_template_expand(template, &match, out) < 0)
			return -1;
		count++;
		kept = end;
		from = end > begin ? end : step_over(subject, utf8, end);
	}
	return found < 0 || str_append(out, subject.data + kept, subject.len - kept) < 0 ? -1 : count;
}

int regex_replace(const struct regex *regex, const struct regex_template *template, bool all, struct span subject, struct str *out)
{
	const size_t before = out->len;
	int count = replace(regex, template, all, subject.data != NULL ? subject : span_of(""), out);

	if (count < 0)
		str_cut(out, before);
	return count;
}
