/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * libFuzzer: any bytes as an SMTP or LMTP session, once whole and once split: the same replies and events, and nothing else either.
 * clang -fsanitize=fuzzer,address,undefined -Ilib tests/fuzz/smtpd.c smtpd.a libdeaddrop.a
 */
#include <stdlib.h>

#include "../unit/smtpd_dialogue.h"

#define LIMIT 3000U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void prepare(struct dialogue *d, const struct engine_setup *setup, unsigned flags)
{
	dialogue_open(d, setup);
	engine_set_normalise(d->engine, flags & 2);
	engine_set_xclient(d->engine, flags & 4);
	d->refuse_begin = flags & 8;
}

/* Each reply is a line of printable text; each message had both its parts and is within the limit. */
static void look(const struct dialogue *d)
{
	struct span rest = str_span(&d->replies), line;

	while (span_word(&rest, '\n', &line)) {
		if (line.len < 5 || line.len > 600 || line.data[0] < '2' || line.data[0] > '5' || line.data[line.len - 1] != '\r')
			abort();
		for (size_t i = 0; i + 1 < line.len; i++)
			if ((unsigned char)line.data[i] < 0x20)
				abort();
	}
	if (d->messages && (!memmem(d->events.data, d->events.len, "mail ", 5) || !memmem(d->events.data, d->events.len, "rcpt ", 5)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct engine_setup setup = {
		.name = "mx.example", .size = LIMIT, .recipients = 5, .commands = 100, .unknown = 10, .failed = 20, .mechanisms = "PLAIN LOGIN",
	};
	struct dialogue whole, split;
	unsigned flags, step;

	if (size < 2)
		return 0;
	flags = data[0];
	step = data[1];
	data += 2;
	size -= 2;
	setup.lmtp = flags & 1;
	setup.utf8 = flags & 16;
	for (size_t i = 0; flags & 64 && i < ENGINE_LIMITS; i++)
		engine_answer_set(&setup.limit_answers[i], 500, "", "A limit's own words");
	/* a STARTTLS with bytes behind it differs by when they arrive, and is meant to */
	setup.tls = flags & 32 && step == 0;
	prepare(&whole, &setup, flags);
	prepare(&split, &setup, flags);
	dialogue_say(&whole, (const char *)data, size);
	for (size_t at = 0, n; at < size; at += n) {
		n = step ? 1 + (at * 31 + step) % step : size;
		n = n < size - at ? n : size - at;
		dialogue_say(&split, (const char *)data + at, n);
	}
	look(&whole);
	if (!span_equal(str_span(&whole.replies), str_span(&split.replies)) || !span_equal(str_span(&whole.events), str_span(&split.events)))
		abort();
	dialogue_close(&whole);
	dialogue_close(&split);
	return 0;
}
