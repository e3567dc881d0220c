/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "outages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "copy.h"
#include "outage.h"
#include "send.h"
#include "waiting.h"

#define NAME "away"
#define FILE_MAX (1024U * 1024)

static void
tick(void *arg)
{
	outages_changed(arg);
}

void
outages_init(struct send *s)
{
	loop_timer_init(&s->outages.tick, tick, s);
}

void
outages_free(struct send *s)
{
	if (loop_timer_is_set(&s->outages.tick))
		loop_timer_clear(s->loop, &s->outages.tick);
}

void
outages_changed(struct send *s)
{
	s->outages.dirty = true;
}

/* ---- from the disk ---- */

static int
read_file(int dir, struct str *text)
{
	int fd = openat(dir, NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), saved;
	ssize_t n = -1;

	if (fd >= 0 && str_reserve(text, FILE_MAX - 1) == 0)
		n = pread(fd, text->data, FILE_MAX - 1, 0);
	saved = errno;
	if (n > 0) {
		text->len = (size_t)n;
		text->data[n] = '\0';
	}
	if (fd >= 0)
		close(fd);
	errno = saved;
	return n < 0 ? -1 : 0;
}

static void
restore(struct send *s, const struct outage_line *line)
{
	struct channel *c;

	if (memchr(line->name.data, ':', line->name.len) != NULL) {
		drop_restore(s, line);
		return;
	}
	for (size_t i = 0; i < s->channels.count; i++) {
		c = &s->channels.all[i];
		if (span_equal(c->name, line->name))
			c->outage = line->outage;
	}
}

void
outages_load(struct send *s)
{
	struct str text = STR_INIT(FILE_MAX), words = STR_INIT(OUTAGE_LINE_MAX);
	struct outage_line line;
	struct span rest;
	int result;

	s->outages.written = read_file(s->spool.dir[SPOOL_OUTCOME], &text) == 0;
	if (!s->outages.written && errno != ENOENT)
		log_errno(s->log, "read outcome/%s", NAME);
	rest = str_span(&text);
	while ((result = outage_line_read(&rest, &line, &words)) != 0)
		if (result > 0)
			restore(s, &line);
		else
			log_event(s->log, "warning", "outcome/%s: a line is damaged; what waits for a drop that is away waits longer", NAME);
	str_free(&text);
	str_free(&words);
}

/* ---- to the disk ---- */

/* What the spool holds has not been looked through at first: a message may be waiting for anything. */
static bool
may_be_waited_for(const struct send *s)
{
	return s->deferred.ids != NULL || !reader_is_idle(s);
}

static int
put_drop(struct send *s, const struct drop *d, struct str *out)
{
	uint64_t now = loop_now(s->loop), wall = clock_wall();
	struct outage_line line = {
		.name = str_span(&d->name), .failures = d->failures, .next = d->until > now ? wall + (d->until - now) : wall,
		.status = span_of(d->why.status), .text = span_of(d->why.text), .outage = d->outage,
	};

	if (d->failures == 0 || !(d->flying > 0 || queue_has_any(&d->queue) || queue_has_any(&d->channel->queue) || may_be_waited_for(s)))
		return 0;
	outage_add(&line.outage, wall, now - d->since);
	return outage_line_write(out, &line);
}

static int
put_channel(struct send *s, const struct channel *c, struct str *out)
{
	struct outage_line line = { .name = c->name, .status = span_of(""), .text = span_of(""), .outage = c->outage };

	outage_add(&line.outage, clock_wall(), channel_away(c));
	return line.outage.count > 0 && (queue_has_any(&c->queue) || may_be_waited_for(s)) ? outage_line_write(out, &line) : 0;
}

static int
replace(int dir, struct span text)
{
	int fd = openat(dir, NAME ".tmp", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0660), result = -1, saved;

	if (fd >= 0 && copy_bytes(fd, text.data, text.len) == 0 && fdatasync(fd) == 0 && renameat(dir, NAME ".tmp", dir, NAME) == 0)
		result = fsync(dir);
	saved = errno;
	if (fd >= 0)
		close(fd);
	errno = saved;
	return result;
}

void
outages_write(struct send *s)
{
	int dir = s->spool.dir[SPOOL_OUTCOME], result = 0;
	struct str text = STR_INIT(FILE_MAX);

	s->outages.dirty = false;
	for (size_t i = 0; i < s->drops.count && result == 0; i++)
		result = put_drop(s, s->drops.all[i], &text);
	for (size_t i = 0; i < s->channels.count && result == 0; i++)
		result = put_channel(s, &s->channels.all[i], &text);
	/* A file that comes again after a crash tells of what was away then: that is tried at once. */
	if (result == 0 && text.len == 0)
		result = s->outages.written && unlinkat(dir, NAME, 0) < 0 && errno != ENOENT ? -1 : 0;
	else if (result == 0)
		result = replace(dir, str_span(&text));
	if (result == 0)
		s->outages.written = text.len > 0;
	else if (!s->outages.troubled)
		log_errno(s->log, "write outcome/%s", NAME);
	s->outages.troubled = result < 0;
	str_free(&text);
}

void
outages_turn(struct send *s)
{
	if (s->outages.dirty)
		outages_write(s);
	/* What a crash loses of a wait is no more than what it may be late by. */
	if (!loop_timer_is_set(&s->outages.tick))
		loop_timer_set(s->loop, &s->outages.tick, loop_now(s->loop) + waiting_interval(s));
}
