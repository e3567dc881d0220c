/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "clock.h"
#include "send.h"

#define CONNECTIONS_MAX 16

/* "N length" */
static const char *
take_length(struct send *s, struct span value, bool ended)
{
	struct id_name name;
	struct span word;
	struct file *f;
	uint64_t length;

	if (!span_word(&value, ' ', &word) || id_parse_name(word, &name) < 0 || span_decimal(value, INT64_MAX, &length) < 0)
		return "an announcement that is malformed";
	f = files_get(&s->files, name, loop_now(s->loop));
	if (f != NULL)
		reader_announced(s, f, length, ended);
	return NULL;
}

static const char *
take_committed(struct send *s, struct span value)
{
	return take_length(s, value, false);
}

static const char *
take_ended(struct send *s, struct span value)
{
	return take_length(s, value, true);
}

static const char *
take_until(struct send *s, struct span value)
{
	struct id_name name;

	if (id_parse_name(value, &name) < 0)
		return "a file's name that is malformed";
	removal_until(s, name);
	return NULL;
}

static const struct {
	char type;
	const char *(*take)(struct send *s, struct span value);
} verbs[] = {
	{ 'C', take_committed },
	{ 'E', take_ended },
	{ 'U', take_until },
};

static const char *
on_frame(void *arg, struct ctrl *c, struct frame frame)
{
	(void)c;
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (verbs[i].type == frame.type)
			return verbs[i].take(arg, frame.value);
	return "a frame of an unknown type";
}

static void
on_closed(void *arg, struct ctrl *c, const char *why, bool broken)
{
	struct send *s = arg;
	struct log_line line;

	s->announce.connected--;
	/* What it held and had not announced is send's to judge as soon as its locks are gone. */
	if (!s->draining)
		loop_timer_set(s->loop, &s->rescan, loop_now(s->loop) + CLOCK_SECOND / 5);
	if (!broken)
		return;
	log_begin(&line, s->log, "broken");
	log_word(&line, "socket", "send.ctrl");
	log_num(&line, "uid", ctrl_peer(c).uid);
	log_text(&line, span_of(why));
	log_end(&line);
}

static const struct ctrl_ops ops = { .frame = on_frame, .closed = on_closed };

static void *
accepted(void *arg, struct ctrl_peer peer, struct ctrl *c)
{
	struct send *s = arg;

	(void)peer;
	(void)c;
	s->announce.connected++;
	/* What was announced while we were away is known to nobody but the directory. */
	send_rescan(s);
	return s;
}

int
announce_listen(struct send *s, int fd)
{
	struct announce *a = &s->announce;
	struct ctrl_listener *l;

	if (a->count == ANNOUNCE_LISTENERS_MAX)
		return -1;
	l = ctrl_listen(s->hub, fd, CONNECTIONS_MAX, &ops, accepted, s);
	if (l == NULL)
		return -1;
	a->listeners[a->count++] = l;
	return 0;
}

void
announce_close(struct send *s)
{
	while (s->announce.count > 0)
		ctrl_listener_close(s->announce.listeners[--s->announce.count]);
}

bool
announce_connected(const struct send *s)
{
	return s->announce.connected > 0;
}
