/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Responses: whole, byte by byte and at random splits they are the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../imap/answers.h"
#include "../../imap/response.h"

static void show(struct str *out, const struct response *r)
{
	static const char *const kinds[] = { "+", "tagged", "status", "data" };
	static const char *const statuses[] = { "", "OK", "NO", "BAD", "BYE", "PREAUTH" };

	str_printf(out, "%s tag=%.*s %s code=%.*s arg=%.*s text=%.*s n=%llu word=%.*s data=%.*s\n", kinds[r->kind], (int)r->tag.len, r->tag.data ? r->tag.data : "",
	    statuses[r->status], (int)r->code.len, r->code.data ? r->code.data : "", (int)r->argument.len, r->argument.data ? r->argument.data : "",
	    (int)r->text.len, r->text.data ? r->text.data : "", (unsigned long long)r->number, (int)r->word.len, r->word.data ? r->word.data : "",
	    (int)r->data.len, r->data.data ? r->data.data : "");
}

/* piece 0: at random */
static void parse(struct str *out, struct span bytes, size_t piece)
{
	struct response_parser parser;
	struct response response;
	enum response_result result = RESPONSE_MORE;
	size_t used;

	response_init(&parser);
	while (bytes.len && result != RESPONSE_BROKEN) {
		size_t len = piece ? piece : (size_t)rand() % 9 + 1;
		struct span part = { bytes.data, len < bytes.len ? len : bytes.len };

		bytes = span_skip(bytes, part.len);
		do {
			result = response_feed(&parser, part, &used, &response);
			part = span_skip(part, used);
			if (result == RESPONSE_WHOLE)
				show(out, &response);
			if (result == RESPONSE_BROKEN)
				str_add(out, "broken\n");
		} while (result == RESPONSE_WHOLE && part.len);
	}
	response_free(&parser);
}

static void test_responses(void **state)
{
	static const char bytes[] =
	    "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hello {5}\r\n+ go on\r\n+\r\nd1 NO [TRYCREATE] none\r\nd2 OK [APPENDUID 38505 3955] done\n"
	    "* 12 EXISTS\r\n* BYE\r\n* 7 FETCH (UID 3 BODY[HEADER.FIELDS (RECEIVED)] {12}\r\nab\r\ncd\r\n(\")x X {2}\r\n\r\n)\r\n* LIST () \"/\" a\r\nd3 BAD [half open\r\n* SEARCH\r\nwhat is this\r\n";
	static const char wanted[] =
	    "status tag=* OK code=CAPABILITY arg=IMAP4rev1 AUTH=PLAIN text=hello {5} n=0 word= data=\n"
	    "+ tag=  code= arg= text=go on n=0 word= data=\n+ tag=  code= arg= text= n=0 word= data=\n"
	    "tagged tag=d1 NO code=TRYCREATE arg= text=none n=0 word= data=\ntagged tag=d2 OK code=APPENDUID arg=38505 3955 text=done n=0 word= data=\n"
	    "data tag=*  code= arg= text= n=12 word=EXISTS data=\nstatus tag=* BYE code= arg= text= n=0 word= data=\n"
	    "data tag=*  code= arg= text= n=7 word=FETCH data=(UID 3 BODY[HEADER.FIELDS (RECEIVED)] {12}\r\nab\r\ncd\r\n(\")x X {2}\r\n\r\n)\n"
	    "data tag=*  code= arg= text= n=0 word=LIST data=() \"/\" a\ntagged tag=d3 BAD code= arg= text=[half open n=0 word= data=\n"
	    "data tag=*  code= arg= text= n=0 word=SEARCH data=\nbroken\n";
	struct str out = STR_INIT(65536);

	(void)state;
	for (size_t piece = 0; piece < 200; piece++) {
		str_cut(&out, 0);
		parse(&out, span_of(bytes), piece < 30 ? 0 : piece < 40 ? piece - 29 : piece * 5);
		assert_string_equal(out.data, wanted);
	}
	str_free(&out);
}

static void test_bounds(void **state)
{
	struct response_parser parser;
	struct response response;
	enum response_result result = RESPONSE_MORE;
	char piece[4096];
	size_t used, fed = 0;

	(void)state;
	memset(piece, 'x', sizeof piece);
	response_init(&parser);
	while (result == RESPONSE_MORE && fed < 2 * RESPONSE_MAX) {
		result = response_feed(&parser, (struct span){ piece, sizeof piece }, &used, &response);
		fed += sizeof piece;
	}
	assert_int_equal(result, RESPONSE_BROKEN);
	assert_true(fed <= RESPONSE_LINE_MAX + sizeof piece);
	response_free(&parser);
	response_init(&parser);
	assert_int_equal(response_feed(&parser, span_of("* X {4294967295}\r\n"), &used, &response), RESPONSE_BROKEN);
	response_free(&parser);
	/* many literals that are small for themselves */
	response_init(&parser);
	result = response_feed(&parser, span_of("* X "), &used, &response);
	for (fed = 0; result == RESPONSE_MORE && fed < 2 * RESPONSE_MAX; fed += 4000) {
		result = response_feed(&parser, span_of("{4000}\r\n"), &used, &response);
		if (result == RESPONSE_MORE)
			result = response_feed(&parser, (struct span){ piece, 4000 }, &used, &response);
	}
	assert_int_equal(result, RESPONSE_BROKEN);
	response_free(&parser);
}

static void test_tokens(void **state)
{
	struct span data = span_of("(\\Seen \"a \\\"b\\\\\" {3}\r\n)\"( ~{1}\r\nz NIL) BODY[X (Y Z)] \"open");
	static const struct { enum response_token token; const char *value; } wanted[] = {
		{ RESPONSE_OPEN, "" }, { RESPONSE_ATOM, "\\Seen" }, { RESPONSE_STRING, "a \"b\\" }, { RESPONSE_STRING, ")\"(" }, { RESPONSE_STRING, "z" },
		{ RESPONSE_ATOM, "NIL" }, { RESPONSE_CLOSE, "" }, { RESPONSE_ATOM, "BODY[X (Y Z)]" }, { RESPONSE_END, NULL },
	};
	struct str value = STR_INIT(100);

	(void)state;
	for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
		assert_int_equal(response_next(&data, &value), wanted[i].token);
		if (wanted[i].value)
			assert_string_equal(value.data, wanted[i].value);
	}
	str_free(&value);
}

static void test_meanings(void **state)
{
	static const struct { enum answers_about about; const char *line, *status; enum outcome_verdict verdict; bool missing, account; } rows[] = {
		{ ANSWERS_APPEND, "a NO [TOOBIG] x\r\n", "5.3.4", OUTCOME_NEVER, false, false },
		{ ANSWERS_APPEND, "a BAD Maximum Message Size exceeded\r\n", "5.3.4", OUTCOME_NEVER, false, false },
		{ ANSWERS_APPEND, "a NO [trycreate] x\r\n", "4.2.0", OUTCOME_LATER, true, false },
		{ ANSWERS_APPEND, "a NO [OVERQUOTA] x\r\n", "4.2.2", OUTCOME_LATER, false, true },
		{ ANSWERS_APPEND, "a NO x\r\n", "4.2.0", OUTCOME_LATER, false, false },
		{ ANSWERS_APPEND, "a BAD x\r\n", "4.2.0", OUTCOME_LATER, false, false },
		{ ANSWERS_LOGIN, "a NO [TOOBIG] maximum message size\r\n", "4.7.8", OUTCOME_LATER, false, true },
		{ ANSWERS_LOGIN, "a NO [UNAVAILABLE] x\r\n", "4.3.2", OUTCOME_LATER, false, true },
		{ ANSWERS_CREATE, "a NO x\r\n", "4.3.5", OUTCOME_LATER, false, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct response_parser parser;
		struct response response;
		const struct answers_meaning *meaning;
		size_t used;

		response_init(&parser);
		assert_int_equal(response_feed(&parser, span_of(rows[i].line), &used, &response), RESPONSE_WHOLE);
		meaning = answers_read(rows[i].about, &response);
		assert_string_equal(meaning->status, rows[i].status);
		assert_int_equal(meaning->verdict, rows[i].verdict);
		assert_int_equal(meaning->missing, rows[i].missing);
		assert_int_equal(meaning->account, rows[i].account);
		response_free(&parser);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_responses),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_tokens),
		cmocka_unit_test(test_meanings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
