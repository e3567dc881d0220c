/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * libFuzzer: any bytes as a message.  The fields one after another are the header, byte for byte.
 * clang -fsanitize=fuzzer,address,undefined -Ilib tests/fuzz/message.c libdeaddrop.a
 */
#include <stdlib.h>

#include "message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span message = { (const char *)data, size }, rest = message;
	struct str value = STR_INIT(16 << 20);
	struct message_field f;
	size_t length = 0;

	while (message_next(&rest, &f)) {
		if (f.whole.data != message.data + length || f.name.len == 0 || f.value.data + f.value.len != f.whole.data + f.whole.len)
			abort();
		length += f.whole.len;
		str_cut(&value, 0);
		if (message_unfold(&value, f.value) < 0 || !message_has_value((struct span){ f.whole.data, f.whole.len }, "x", str_span(&value)) !=
		    !span_is_nocase(f.name, "x"))
			abort();
	}
	if (rest.data != message.data + length || message_header_length(message) < length || message_header_length(message) > length + 2)
		abort();
	(void)message_hops(message);
	str_free(&value);
	return 0;
}
