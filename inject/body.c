/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "body.h"

#include <errno.h>

#include "split.h"

void body_init(struct body *b)
{
	*b = (struct body){ .pending = { "", 0 } };
	spill_init(&b->kept, BODY_KEPT_MAX);
}

void body_free(struct body *b)
{
	spill_free(&b->kept);
}

static uint64_t kept_bytes(const struct body *b)
{
	return b->kept.in_file + b->kept.memory.len;
}

int body_gather(struct body *b, struct source *source, struct span first, struct span rest)
{
	struct span bytes;
	int more = 1;

	if (spill_add(&b->kept, first) < 0 || spill_add(&b->kept, rest) < 0)
		return -1;
	while (!source->seekable || kept_bytes(b) < BODY_KEPT_MAX / 2) {
		more = source_read(source, &bytes);
		if (more <= 0)
			break;
		if (spill_take(&b->kept, &bytes) < 0) {
			b->pending = bytes;
			return 0;
		}
	}
	b->whole = more == 0;
	return more < 0 ? -1 : 0;
}

static int stream(struct source *source, body_sink_fn *sink, void *arg)
{
	struct span bytes;
	int more;

	while ((more = source_read(source, &bytes)) > 0)
		if (sink(arg, bytes) != 0)
			return 0;
	return more;
}

int body_write(struct body *b, struct source *source, body_sink_fn *sink, void *arg)
{
	int r = spill_read(&b->kept, sink, arg);

	if (r != 0)
		return r < 0 ? -1 : 0;
	if (b->whole)
		return 0;
	b->passed_on = true;
	return sink(arg, b->pending) != 0 ? 0 : stream(source, sink, arg);
}

/* A file from its start: its header is known, so only the body's place is looked for. */
static int reread(struct source *source, body_sink_fn *sink, void *arg)
{
	struct span bytes, rest = { "", 0 };
	enum split_event event;
	struct split split;
	int more = 1;

	if (source_rewind(source) < 0)
		return -1;
	split_init(&split);
	do {
		event = more > 0 ? split_next(&split, &rest, &bytes) : split_end(&split, &bytes);
		if (event == SPLIT_MORE)
			more = source_read(source, &rest);
	} while (more >= 0 && event != SPLIT_BODY && event != SPLIT_NO_MEMORY);
	if (event == SPLIT_NO_MEMORY)
		errno = ENOMEM;
	if (event == SPLIT_BODY && sink(arg, bytes) == 0 && sink(arg, rest) == 0)
		more = stream(source, sink, arg);
	split_free(&split);
	return event == SPLIT_BODY && more >= 0 ? 0 : -1;
}

bool body_can_repeat(const struct body *b, const struct source *source)
{
	return b->whole || source->seekable;
}

int body_repeat(struct body *b, struct source *source, body_sink_fn *sink, void *arg)
{
	return b->whole ? body_write(b, source, sink, arg) : reread(source, sink, arg);
}
