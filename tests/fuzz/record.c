/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * libFuzzer: any bytes as a record, and the same bytes behind a first line that is made right, so that the lines are reached; as
 * outcome lines; and as ids.  clang -fsanitize=fuzzer,address,undefined -Ilib tests/fuzz/record.c libdeaddrop.a
 */
#include <stdlib.h>
#include <string.h>

#include "outcome.h"
#include "record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const char *data, size_t len)
{
	struct record r;
	struct span rest, address, attributes, name, value;
	uint32_t count = 0;
	size_t need;

	switch (record_read(data, len, &r, &need)) {
	case RECORD_MORE:
		if (need <= len || need > RECORD_HEADER_MAX)
			abort();
		return;
	case RECORD_WHOLE:
		break;
	default:
		return;
	}
	for (rest = r.recipients; record_next_recipient(&rest, &address, &attributes); count++)
		while (record_next_attribute(&attributes, &name, &value))
			if (name.len == 0)
				abort();
	if (count != r.recipient_count || rest.len != 0 || r.header_len > len)
		abort();
}

static void look_at_outcomes(struct span rest)
{
	static const char file[] = "1763712345123456-9f8e7d6c5b4a3921";
	struct outcome_line line;
	struct span before = rest;
	struct id_key key;
	struct outcome o;
	struct id id;
	uint32_t n;

	(void)id_parse(rest, &id);
	(void)id_parse_key(rest, &key);
	if (outcome_read('K', rest, &key, &n, &o) == 0 && strlen(o.text) > OUTCOME_REASON_MAX)
		abort();
	for (; outcome_line_read(&rest, span_of(file), &line) != 0; before = rest)
		if (rest.len >= before.len)
			abort();
	while (outcome_line_scan(&before, &line) != 0)
		;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char head[] = "%deaddrop 1 0123456789abcdef 00000000 000000000000000 00000000 00000000\n";
	char *sealed = malloc(RECORD_LINE + size);

	look((const char *)data, size);
	look_at_outcomes((struct span){ (const char *)data, size });
	if (sealed != NULL && size < RECORD_HEADER_MAX - RECORD_LINE) {
		memcpy(sealed, head, RECORD_LINE);
		if (size > 0)
			memcpy(sealed + RECORD_LINE, data, size);
		record_seal(sealed, RECORD_LINE + size, 0, 0);
		look(sealed, RECORD_LINE + size);
	}
	free(sealed);
	return 0;
}
