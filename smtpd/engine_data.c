/* SPDX-License-Identifier: GPL-3.0-or-later */
/* DATA and BDAT: how a message comes and what is said to it. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "engine_internal.h"

/* ---- a message's begin and end ---- */

static bool begin(struct engine *e)
{
	struct engine_answer answer;

	engine_answer_set(&answer, 250, "2.0.0", "Ok");
	e->at = ENGINE_AT_LINE;
	e->crs = 0;
	e->size = e->bare = 0;
	e->discards = false;
	e->ops->begin(e->arg, &answer);
	if (answer.code >= 300) {
		e->verdict = answer;
		return false;
	}
	e->begun = true;
	return true;
}

void engine_data_cancel(struct engine *e)
{
	if (!e->begun)
		return;
	e->begun = false;
	e->ops->cancel(e->arg);
}

void engine_discard(struct engine *e, const struct engine_answer *answer)
{
	if (!e->begun)
		return;
	e->begun = false;
	e->discards = true;
	e->verdict = *answer;
}

static void count(struct engine *e, size_t n)
{
	/* the three bytes of DATA's end are no part of the message, but arrive with it */
	uint64_t most = e->setup->size + (e->mode == ENGINE_DATA ? 3 : 0);

	e->size += n;
	if (e->size <= most || !e->begun)
		return;
	/* nothing beyond the limit is kept; the client hears of it when it listens, at the end */
	engine_data_cancel(e);
	e->discards = true;
	engine_answer_set(&e->verdict, 552, "5.3.4", "The message is larger than %llu bytes", (unsigned long long)e->setup->size);
	engine_limit_answer(&e->verdict, e, ENGINE_LIMIT_SIZE);
}

/* LMTP (RFC 2033 4.2): a reply for each recipient that was accepted.  They share their fate: the queue takes a message as a whole. */
static void answer_message(struct engine *e, const struct engine_answer *answer)
{
	size_t times = e->setup->lmtp && e->envelope.count ? e->envelope.count : 1;

	for (size_t i = 0; i < times && !e->closes; i++)
		engine_answer(e, answer);
}

static void finish(struct engine *e, const struct engine_answer *answer)
{
	static const char data[] = "DATA", bdat[] = "BDAT";

	e->command = (struct engine_command){ span_of(e->state == ENGINE_CHUNKS ? bdat : data), span_of("") };
	if (answer->code < 300)
		e->commands = 0;
	answer_message(e, answer);
	engine_reset(e);
	e->command = (struct engine_command){ span_of(""), span_of("") };
}

static void complete(struct engine *e)
{
	if (e->closes)
		return;
	if (e->discards) {
		finish(e, &e->verdict);
		return;
	}
	e->begun = false;
	e->waits = true;
	e->ops->end(e->arg);
}

void engine_settle(struct engine *e, const struct engine_answer *answer)
{
	if (!e->waits)
		return;
	e->waits = false;
	finish(e, answer);
}

/* ---- DATA ---- */

void engine_data_verb(struct engine *e, struct span argument)
{
	(void)argument;
	if (!begin(e)) {
		struct engine_answer answer = e->verdict;

		engine_reset(e);
		engine_answer(e, &answer);
		return;
	}
	e->mode = ENGINE_DATA;
	engine_put_line(e, 354, false, span_of("Go ahead; end with a dot on a line of its own"));
}

size_t engine_data_feed(struct engine *e, const char *data, size_t len)
{
	size_t used = engine_body_feed(e, data, len, true);

	/* what the end takes, dot and CRLF, counts as well: no matter where the bytes are split */
	count(e, used);
	if (e->at != ENGINE_AT_END)
		return used;
	e->mode = ENGINE_COMMAND;
	complete(e);
	return used;
}

/* ---- BDAT ---- */

/* "n" or "n LAST". */
static bool parse_chunk(struct engine *e, struct span argument)
{
	struct span word, rest = argument;

	if (!span_word(&rest, ' ', &word) || span_decimal(word, UINT64_MAX, &e->chunk))
		return false;
	rest = span_trim(rest);
	e->last = span_is_nocase(rest, "LAST");
	return e->last || !rest.len;
}

static void chunk_ended(struct engine *e)
{
	e->mode = ENGINE_COMMAND;
	e->command = (struct engine_command){ span_of("BDAT"), span_of("") };
	if (e->last && e->begun)
		engine_body_finish(e);
	if (e->closes)
		return;
	if (e->last) {
		complete(e);
	} else if (e->discards) {
		/* chunks that are under way already find no transaction, and are passed over one by one */
		engine_answer(e, &e->verdict);
		engine_reset(e);
	} else {
		engine_say(e, 250, "2.0.0", "%llu bytes", (unsigned long long)e->chunk_size);
	}
}

/* The chunk follows whatever is said to the command, so it must be read, and its length known. */
void engine_data_bdat(struct engine *e, struct span argument)
{
	if (!parse_chunk(e, argument)) {
		engine_say(e, 501, "5.5.4", "Expected: BDAT bytes [LAST]; closing, for where the next command begins is not known");
		engine_close(e);
		return;
	}
	e->chunk_size = e->chunk;
	if (e->state == ENGINE_RCPT && !begin(e))
		e->discards = true;
	if (e->state == ENGINE_RCPT)
		e->state = ENGINE_CHUNKS;
	if (e->state != ENGINE_CHUNKS) {
		e->discards = true;
		engine_answer_set(&e->verdict, 503, "5.5.1", "A sender and recipients are needed before BDAT");
	}
	e->mode = ENGINE_BDAT;
	if (!e->chunk)
		chunk_ended(e);
}

size_t engine_data_feed_chunk(struct engine *e, const char *data, size_t len)
{
	size_t n = e->chunk < len ? (size_t)e->chunk : len, used;

	/* what is passed over is not looked at: it may be no message at all */
	used = e->discards ? n : engine_body_feed(e, data, n, false);
	count(e, used);
	e->chunk -= used;
	if (!e->chunk && !e->closes)
		chunk_ended(e);
	return used;
}
