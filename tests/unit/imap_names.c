/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Names of mailboxes against tables: tests/corpus/mutf7/vectors, and go-imap's where the shared corpus is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../imap/mailbox.h"
#include "base64.h"

#define LINE 4096

/* \xHH to a byte */
static void unescape(struct str *out, struct span text)
{
	uint64_t byte;

	str_cut(out, 0);
	for (; text.len; text = span_skip(text, 1)) {
		if (text.len >= 4 && text.data[0] == '\\' && text.data[1] == 'x' && !span_hex((struct span){ text.data + 2, 2 }, 255, &byte)) {
			str_add_char(out, (char)byte);
			text = span_skip(text, 3);
		} else {
			str_add_char(out, *text.data);
		}
	}
}

static void check(int (*function)(struct str *, struct span), struct span in, struct span out, bool good, const char *line)
{
	struct str got = STR_INIT(LINE);
	int result = function(&got, in);

	if ((result == 0) != good || (good && !span_equal(str_span(&got), out)))
		fail_msg("%d '%s' of %s", result, got.data, line);
	str_free(&got);
}

static void own(void **state)
{
	FILE *file = fopen("tests/corpus/mutf7/vectors", "r");
	struct str utf8 = STR_INIT(LINE), wire = STR_INIT(LINE);
	char line[LINE];
	unsigned count = 0;

	(void)state;
	assert_non_null(file);
	while (fgets(line, sizeof line, file)) {
		struct span left, right = span_trim(span_of(line));
		bool has_utf8, has_wire;

		if (*line == '#' || !span_word(&right, '\t', &left))
			continue;
		has_utf8 = !span_is(left, "-");
		has_wire = !span_is(right, "-");
		unescape(&utf8, left);
		unescape(&wire, right);
		if (has_utf8)
			check(mailbox_encode, str_span(&utf8), str_span(&wire), has_wire, line);
		if (has_wire)
			check(mailbox_decode, str_span(&wire), str_span(&utf8), has_utf8, line);
		count++;
	}
	fclose(file);
	str_free(&utf8);
	str_free(&wire);
	assert_true(count > 80);
}

static void put_character(struct str *out, uint64_t c)
{
	if (c < 0x80) {
		str_add_char(out, (char)c);
	} else if (c < 0x800) {
		str_add_char(out, (char)(0xc0 | c >> 6));
		str_add_char(out, (char)(0x80 | (c & 0x3f)));
	} else {
		str_add_char(out, (char)(0xe0 | c >> 12));
		str_add_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
		str_add_char(out, (char)(0x80 | (c & 0x3f)));
	}
}

/* "key": "text" or "key": {"b64": "…"} */
static bool member(const char *line, const char *key, struct str *out)
{
	const char *at = strstr(line, key);
	struct str raw = STR_INIT(LINE);
	bool packed;

	str_cut(out, 0);
	if (!at)
		return false;
	at += strlen(key);
	packed = !strncmp(at, "{\"b64\": ", 8);
	at += packed ? 9 : 1;
	for (; *at && *at != '"'; at++) {
		static const char letters[] = "n\nt\tr\rb\bf\f";
		const char *known;
		uint64_t value;

		if (*at != '\\') {
			str_add_char(&raw, *at);
		} else if (*++at == 'u' && !span_hex((struct span){ at + 1, 4 }, 0xffff, &value)) {
			put_character(&raw, value);
			at += 4;
		} else {
			known = strchr(letters, *at);
			str_add_char(&raw, known ? known[1] : *at);
		}
	}
	if (packed ? base64_decode(out, str_span(&raw)) : str_set(out, str_span(&raw)))
		fail_msg("%s", line);
	str_free(&raw);
	return true;
}

static void table(const char *name, int (*function)(struct str *, struct span), unsigned least)
{
	FILE *file = fopen(name, "r");
	struct str in = STR_INIT(LINE), out = STR_INIT(LINE);
	char line[LINE];
	unsigned count = 0;

	if (!file)
		skip();
	while (fgets(line, sizeof line, file)) {
		assert_true(member(line, "\"in\": ", &in) && member(line, "\"out\": ", &out));
		check(function, str_span(&in), str_span(&out), strstr(line, "\"ok\": true") != NULL, line);
		count++;
	}
	fclose(file);
	str_free(&in);
	str_free(&out);
	assert_true(count >= least);
}

static void shared_decode(void **state)
{
	(void)state;
	table("../shared/corpus/mutf7-go-imap/decode.jsonl", mailbox_decode, 57);
}

static void shared_encode(void **state)
{
	(void)state;
	table("../shared/corpus/mutf7-go-imap/encode.jsonl", mailbox_encode, 82);
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(own), cmocka_unit_test(shared_decode), cmocka_unit_test(shared_encode) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
