/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * libFuzzer: any bytes as a server's responses, whole and byte by byte, which must give the same; their data as tokens; and as names of mailboxes, whose encoding must lead back.
 * clang -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -Ilib tests/fuzz/imap.c imap/response.c imap/mailbox.c imap/answers.c libdeaddrop.a
 */
#include <stdlib.h>
#include <string.h>

#include "../../imap/answers.h"
#include "../../imap/mailbox.h"
#include "../../imap/response.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put(struct str *out, struct span part)
{
	str_add_span(out, part);
	str_add_char(out, '\n');
}

static void look(struct str *out, const struct response *r)
{
	struct str value = STR_INIT(RESPONSE_MAX);
	struct span data = r->data;

	str_printf(out, "%d %d %llu\n", (int)r->kind, (int)r->status, (unsigned long long)r->number);
	put(out, r->tag);
	put(out, r->code);
	put(out, r->argument);
	put(out, r->text);
	put(out, r->word);
	put(out, r->data);
	(void)answers_read(ANSWERS_APPEND, r);
	(void)answers_read(ANSWERS_LOGIN, r);
	for (size_t count = 0; response_next(&data, &value) != RESPONSE_END; count++)
		if (count > r->data.len)
			abort();
	str_free(&value);
}

static void parse(struct str *out, struct span bytes, size_t piece)
{
	struct response_parser parser;
	struct response response;
	enum response_result result = RESPONSE_MORE;
	size_t used;

	response_init(&parser);
	while (bytes.len && result != RESPONSE_BROKEN) {
		struct span part = { bytes.data, piece < bytes.len ? piece : bytes.len };

		result = response_feed(&parser, part, &used, &response);
		if (result == RESPONSE_BROKEN)
			break;
		if (used > part.len || (!used && part.len))
			abort();
		bytes = span_skip(bytes, used);
		if (result == RESPONSE_WHOLE)
			look(out, &response);
	}
	response_free(&parser);
}

static void names(struct span bytes)
{
	struct str one = STR_INIT(1U << 24), two = STR_INIT(1U << 24);

	if (!mailbox_encode(&one, bytes) && (mailbox_decode(&two, str_span(&one)) < 0 || !span_equal(str_span(&two), bytes)))
		abort();
	str_cut(&one, 0);
	str_cut(&two, 0);
	if (!mailbox_decode(&one, bytes) && (mailbox_encode(&two, str_span(&one)) < 0 || !span_equal(str_span(&two), bytes)))
		abort();
	str_cut(&one, 0);
	(void)mailbox_wire(&one, bytes, '.', span_of("INBOX."), false);
	str_cut(&one, 0);
	(void)mailbox_quote(&one, bytes, false);
	str_free(&one);
	str_free(&two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span bytes = { (const char *)data, size };
	struct str whole = STR_INIT(1U << 26), single = STR_INIT(1U << 26);

	parse(&whole, bytes, SIZE_MAX);
	parse(&single, bytes, 1);
	if (!span_equal(str_span(&whole), str_span(&single)))
		abort();
	str_free(&whole);
	str_free(&single);
	names(bytes);
	return 0;
}
