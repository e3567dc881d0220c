/* SPDX-License-Identifier: GPL-3.0-or-later */
/* libFuzzer: any bytes as outcome/away.  What is read of it is within its limits, and reads the same when it is written again. */
#include <stdlib.h>
#include <string.h>

#include "crc32c.h"
#include "../../send/outage.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
same_again(const struct outage_line *line)
{
	struct str out = STR_INIT(2 * OUTAGE_LINE_MAX), words = STR_INIT(OUTAGE_LINE_MAX);
	struct outage_line got;
	struct span rest;

	if (outage_line_write(&out, line) == 0 && out.len <= OUTAGE_LINE_MAX) {
		rest = str_span(&out);
		if (outage_line_read(&rest, &got, &words) != 1 || !span_equal(got.name, line->name) || !span_equal(got.text, line->text)
		    || !span_equal(got.status, line->status) || got.failures != line->failures || got.next != line->next
		    || got.outage.count != line->outage.count || outage_total(&got.outage) != outage_total(&line->outage))
			abort();
	}
	str_free(&out);
	str_free(&words);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = STR_INIT(1024 * 1024), words = STR_INIT(OUTAGE_LINE_MAX);
	struct outage_line line;
	struct span rest = { (const char *)data, size }, body;
	int result;

	/* The CRC of each line is put in, or nothing would be looked at. */
	while (span_word(&rest, '\n', &body))
		if (str_add(&text, "%a ") < 0 || str_add_hex(&text, crc32c(0, body.data, body.len), 8) < 0 || str_add_char(&text, ' ') < 0
		    || str_add_span(&text, body) < 0 || str_add_char(&text, '\n') < 0)
			break;
	rest = str_span(&text);
	while ((result = outage_line_read(&rest, &line, &words)) != 0)
		if (result > 0) {
			if (line.outage.count > OUTAGE_SPANS || outage_behind(&line.outage, 0) > outage_total(&line.outage))
				abort();
			same_again(&line);
		}
	rest = (struct span){ (const char *)data, size };
	while (outage_line_read(&rest, &line, &words) != 0)
		;
	str_free(&text);
	str_free(&words);
	return 0;
}
