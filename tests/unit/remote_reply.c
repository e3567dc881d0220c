/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Replies of servers, whole and in pieces; what they offer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../remote/offer.h"
#include "reply.h"

/* Takes one reply in pieces of that size; what is left of text goes to *rest. */
static enum reply_result take(struct reply *reply, const char *text, size_t len, size_t step, size_t *used)
{
	enum reply_result result = REPLY_MORE;

	*used = 0;
	while (result == REPLY_MORE && *used < len) {
		size_t one, n = len - *used < step ? len - *used : step;

		result = reply_take(reply, (struct span){ text + *used, n }, &one);
		*used += one;
		if (result == REPLY_MORE)
			assert_int_equal(one, n);
	}
	return result;
}

static const struct { const char *text; enum reply_result result; unsigned code; const char *shown, *status; } cases[] = {
	{ "220 hello\r\n", REPLY_WHOLE, 220, "220 hello", "" },
	{ "220\r\n", REPLY_WHOLE, 220, "220", "" },
	{ "220 \r\n", REPLY_WHOLE, 220, "220", "" },
	{ "250 ok\n", REPLY_WHOLE, 250, "250 ok", "" },
	{ "250-a\r\n250-b\r\n250 c\r\n", REPLY_WHOLE, 250, "250 a b c", "" },
	{ "250-a\r\n250-\r\n250\r\n", REPLY_WHOLE, 250, "250 a", "" },
	{ "250-a\r\n451 c\r\n", REPLY_WHOLE, 451, "451 a c", "" },
	{ "550-5.1.1 no\r\n550 5.1.1 user\r\n", REPLY_WHOLE, 550, "550 5.1.1 no user", "5.1.1" },
	{ "550 4.1.1 no\r\n", REPLY_WHOLE, 550, "550 4.1.1 no", "" },
	{ "550 5.1.1234 no\r\n", REPLY_WHOLE, 550, "550 5.1.1234 no", "" },
	{ "250 2.0.0\r\n", REPLY_WHOLE, 250, "250 2.0.0", "2.0.0" },
	{ "250 a\033b\tc\177\r\n", REPLY_WHOLE, 250, "250 a?b\tc?", "" },
	{ "250 a\rb\r\n", REPLY_WHOLE, 250, "250 a?b", "" },
	{ "250", REPLY_MORE, 0, "", "" }, { "250 x", REPLY_MORE, 0, "", "" }, { "250-x\r\n", REPLY_MORE, 0, "", "" },
	{ "\r\n", REPLY_BAD, 0, "", "" }, { "25 x\r\n", REPLY_BAD, 0, "", "" }, { "2500 x\r\n", REPLY_BAD, 0, "", "" }, { "150 x\r\n", REPLY_BAD, 0, "", "" },
	{ "650 x\r\n", REPLY_BAD, 0, "", "" }, { "abc\r\n", REPLY_BAD, 0, "", "" }, { "250:x\r\n", REPLY_BAD, 0, "", "" }, { "250-x\r\nhello\r\n", REPLY_BAD, 0, "", "" },
};

static void replies(void **state)
{
	struct str shown = STR_INIT(1000);
	char status[OUTCOME_STATUS_MAX];
	struct reply reply;
	size_t used;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		for (size_t step = 1; step <= strlen(cases[i].text); step++) {
			reply_init(&reply);
			assert_int_equal(take(&reply, cases[i].text, strlen(cases[i].text), step, &used), cases[i].result);
			if (cases[i].result == REPLY_WHOLE) {
				assert_int_equal(used, strlen(cases[i].text));
				assert_int_equal(reply.code, cases[i].code);
				str_cut(&shown, 0);
				assert_int_equal(reply_text(&reply, &shown, 900), 0);
				assert_string_equal(shown.data, cases[i].shown);
				assert_int_equal(reply_status(&reply, status), *cases[i].status != '\0');
				if (*cases[i].status)
					assert_string_equal(status, cases[i].status);
			}
			reply_free(&reply);
		}
	}
	str_free(&shown);
}

static void several(void **state)
{
	static const char text[] = "250 one\r\n250-two\r\n250 three\r\n354 four\r\n";
	const unsigned codes[] = { 250, 250, 354 };
	struct reply reply;

	(void)state;
	for (size_t step = 1; step < sizeof text; step++) {
		size_t at = 0, used;

		reply_init(&reply);
		for (size_t n = 0; n < 3; n++) {
			assert_int_equal(take(&reply, text + at, strlen(text) - at, step, &used), REPLY_WHOLE);
			assert_int_equal(reply.code, codes[n]);
			at += used;
		}
		assert_int_equal(at, strlen(text));
		reply_free(&reply);
	}
}

static void endless(void **state)
{
	char piece[1024];
	struct reply reply;
	size_t used, all = 0;

	(void)state;
	for (int lines = 0; lines < 2; lines++) {
		memset(piece, 'x', sizeof piece);
		memcpy(piece, "250-", 4);
		if (lines)
			memcpy(piece + sizeof piece - 2, "\r\n", 2);
		reply_init(&reply);
		all = 0;
		while (reply_take(&reply, (struct span){ piece, sizeof piece }, &used) == REPLY_MORE)
			assert_true((all += used) <= REPLY_BYTES_MAX);
		reply_free(&reply);
	}
}

static void offers(void **state)
{
	static const char text[] = "250-hello PIPELINING\r\n250-pipelining\r\n250-SIZE 1000\r\n250-AUTH PLAIN  LOGIN\r\n250-AUTH=CRAM-MD5\r\n250-X-NEW thing\r\n250-\r\n250 8bitmime\r\n";
	struct str shown = STR_INIT(1000);
	struct reply reply;
	struct offer offer;
	size_t used;

	(void)state;
	reply_init(&reply);
	offer_init(&offer);
	assert_int_equal(reply_take(&reply, span_of(text), &used), REPLY_WHOLE);
	assert_int_equal(offer_read(&offer, &reply), 0);
	assert_int_equal(offer.flags, OFFER_PIPELINING | OFFER_SIZE | OFFER_AUTH | OFFER_8BITMIME);
	assert_int_equal(offer.size, 1000);
	assert_string_equal(offer.mechanisms.data, "PLAIN LOGIN CRAM-MD5");
	assert_int_equal(offer_text(&offer, &shown), 0);
	assert_string_equal(shown.data, "PIPELINING 8BITMIME SIZE=1000 AUTH (PLAIN LOGIN CRAM-MD5)");
	/* A new answer replaces it; sizes that are none are no limit. */
	assert_int_equal(reply_take(&reply, span_of("250-x\r\n250 SIZE 99999999999999999999999\r\n"), &used), REPLY_WHOLE);
	assert_int_equal(offer_read(&offer, &reply), 0);
	assert_int_equal(offer.flags, OFFER_SIZE);
	assert_int_equal(offer.size, 0);
	assert_int_equal(offer.mechanisms.len, 0);
	str_free(&shown);
	offer_free(&offer);
	reply_free(&reply);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(replies), cmocka_unit_test(several), cmocka_unit_test(endless), cmocka_unit_test(offers) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
