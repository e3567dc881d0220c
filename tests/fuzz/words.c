/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * libFuzzer: any bytes as a field's text.  What is decoded is never above three times the text; what is encoded is ASCII, in words of at most WORDS_MAX bytes,
 * and decodes to what it was if that was UTF-8.
 */
#include <stdlib.h>
#include <string.h>

#include "words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_encoded(const struct str *encoded)
{
	size_t word = 0;

	for (size_t i = 0; i < encoded->len; i++) {
		unsigned char c = (unsigned char)encoded->data[i];

		word = c == ' ' || c == '\n' ? 0 : word + 1;
		if (word > WORDS_MAX || c > 126 || (c < 32 && c != '\n') || (c == '\n' && (i + 1 == encoded->len || encoded->data[i + 1] != ' ')))
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = { (const char *)data, size };
	struct str decoded = STR_INIT(16 << 20), encoded = STR_INIT(64 << 20), again = STR_INIT(64 << 20);

	if (words_decode(&decoded, text) < 0 || decoded.len > 3 * size)
		abort();
	if (words_encode(&encoded, text) < 0 || (size == 0) != (encoded.len == 0))
		abort();
	check_encoded(&encoded);
	if (words_decode(&again, str_span(&encoded)) < 0)
		abort();
	if (words_is_utf8(text) && !span_equal(text, str_span(&again)))
		abort();
	str_free(&decoded);
	str_free(&encoded);
	str_free(&again);
	return 0;
}
