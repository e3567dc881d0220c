/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * libFuzzer: any bytes as a list of addresses and as a display name.
 * clang -fsanitize=fuzzer,address,undefined -Ilib tests/fuzz/address.c libdeaddrop.a
 */
#include <stdlib.h>

#include "address.h"
#include "envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is taken once must be taken again and stay as it is. */
static void look(struct span spec)
{
	struct str once = STR_INIT(1 << 20), twice = STR_INIT(1 << 20);

	if (address_plain(&once, spec) < 0)
		abort();
	if (address_plain(&twice, str_span(&once)) < 0 || !span_equal(str_span(&once), str_span(&twice)))
		abort();
	str_cut(&twice, 0);
	if (address_qualify(&twice, str_span(&once), span_of("host.example")) < 0)
		abort();
	str_free(&once);
	str_free(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = { (const char *)data, size }, list = rest;
	struct str name = STR_INIT(16 << 20);
	struct address a;
	int result;

	(void)address_is_valid(rest, true);
	while ((result = address_next(&rest, &a)) != 0) {
		if (a.whole.data < list.data || a.whole.data + a.whole.len > list.data + list.len)
			abort();
		if (result > 0)
			look(a.spec);
	}
	if (rest.len != 0)
		abort();
	if (address_put_name(&name, list) < 0)
		abort();
	str_free(&name);
	return 0;
}
