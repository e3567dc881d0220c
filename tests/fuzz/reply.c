/* SPDX-License-Identifier: GPL-3.0-or-later */
/* libFuzzer: replies of a server, whole and in pieces, give the same codes and texts; what is understood of them stays within its bounds. */
#include <stdlib.h>
#include <string.h>

#include "reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TEXT_MAX 300

static void note(struct reply *reply, struct str *seen)
{
	char status[OUTCOME_STATUS_MAX];
	size_t before = seen->len;
	struct span rest = str_span(&reply->text), line;
	unsigned lines = 0;

	if (reply->code < 200 || reply->code > 599 || str_printf(seen, "%u %zu ", reply->code, reply->text.len) < 0)
		abort();
	if (reply_status(reply, status) && (unsigned)(status[0] - '0') != reply->code / 100)
		abort();
	while (reply_line(&rest, &line)) {
		lines++;
		for (size_t i = 0; i < line.len; i++)
			if (line.data[i] == '\0' || line.data[i] == '\r' || line.data[i] == '\n' || line.data[i] == 0x7f || line.data[i] == 0x1b)
				abort();
	}
	if (lines < reply->lines || reply_text(reply, seen, TEXT_MAX) < 0 || seen->len - before > TEXT_MAX + 40)
		abort();
	if (str_add_char(seen, '\n') < 0)
		abort();
}

/* Piece lengths come from the bytes themselves; 0 pieces: all at once. */
static void take_all(struct span in, bool pieces, struct str *seen)
{
	enum reply_result result = REPLY_MORE;
	struct reply reply;

	reply_init(&reply);
	while (in.len && result != REPLY_BAD) {
		size_t n = pieces ? 1 + (unsigned char)*in.data % 9 : in.len, used;
		struct span piece;

		piece = (struct span){ in.data, n < in.len ? n : in.len };
		in = span_skip(in, piece.len);
		while (piece.len && result != REPLY_BAD) {
			result = reply_take(&reply, piece, &used);
			if (used > piece.len || (result == REPLY_MORE && used != piece.len))
				abort();
			piece = span_skip(piece, used);
			if (result == REPLY_WHOLE)
				note(&reply, seen);
		}
	}
	if (result == REPLY_BAD && str_add(seen, "bad") < 0)
		abort();
	reply_free(&reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str whole = STR_INIT(16U << 20), pieces = STR_INIT(16U << 20);
	struct span in = { (const char *)data, size };

	take_all(in, false, &whole);
	take_all(in, true, &pieces);
	if (!span_equal(str_span(&whole), str_span(&pieces)))
		abort();
	str_free(&whole);
	str_free(&pieces);
	return 0;
}
