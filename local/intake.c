/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "intake.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "envelope.h"
#include "text.h"

#define LISTENERS_MAX 16

struct peer {				/* one connection */
	struct peer *next;
	struct intake *intake;
	struct ctrl *c;
	unsigned state;
	struct job *job;		/* the one that is coming in, or NULL */
	size_t pending;			/* jobs that are not answered yet */
	bool answered;			/* something waits to be flushed */
	bool ended;			/* the peer sends no more, and waits for the rest of its answers */
};

struct intake {
	struct ctrl_hub *hub;
	struct log *log;
	const struct drop_table *drops;
	struct batch *batch;
	loop_fn *ended;
	void *arg;
	struct peer *peers;
	size_t connections;
	struct ctrl_listener *listeners[LISTENERS_MAX];
	size_t listener_count;
	struct str value;		/* of the answer that is being written */
};

/* ---- the verbs: each returns NULL, or why the peer is to be dropped ---- */

enum { IDLE = 1, HEAD = 2, BODY = 4, FILED = 8 };	/* between jobs; before, in and behind the message's bytes */

static const char no_memory[] = "no memory for its job";

static const char *verb_job(struct peer *peer, struct span value)
{
	struct job *job = job_new();

	if (!job)
		return no_memory;
	peer->job = job;
	if (id_parse_key(value, &job->key) < 0)
		return "J: no key";
	id_key_text(job->key, job->key_text);
	peer->state = HEAD;
	return NULL;
}

static const char *verb_drop(struct peer *peer, struct span value)
{
	if (peer->job->target.len || !value.len || !text_is_clean(value, JOB_TARGET_MAX))
		return "D: a second or no proper drop";
	return str_set(&peer->job->target, value) < 0 ? no_memory : NULL;
}

static const char *verb_sender(struct peer *peer, struct span value)
{
	if (!text_is_clean(value, ENVELOPE_ADDRESS_MAX))
		return "S: no proper address";
	return str_set(&peer->job->sender, value) < 0 ? no_memory : NULL;
}

/* Attributes that are not known belong to later versions, or to other kinds of deliverer. */
static const char *verb_attribute(struct peer *peer, struct span value)
{
	struct span rest = value, name;

	if (!text_is_clean(value, ENVELOPE_NAME_MAX + 1 + ENVELOPE_VALUE_MAX) || !memchr(value.data, '=', value.len))
		return "A: no proper attribute";
	span_word(&rest, '=', &name);
	if (span_is(name, "arrival") && (span_decimal(rest, INT64_MAX, &peer->job->arrival) < 0 || !peer->job->arrival))
		return "A: no proper arrival";
	if (span_is(name, "unclear"))
		peer->job->unclear = span_is(rest, "1");
	return NULL;
}

static const char *verb_recipient(struct peer *peer, struct span value)
{
	if (!text_is_clean(value, ENVELOPE_ADDRESS_MAX))
		return "R: no proper address";
	if (peer->job->count == JOB_RECIPIENTS_MAX)
		return "R: too many recipients";
	return job_add_recipient(peer->job, value) < 0 ? no_memory : NULL;
}

static const char *verb_recipient_attribute(struct peer *peer, struct span value)
{
	if (!peer->job->count || !text_is_clean(value, ENVELOPE_NAME_MAX + 1 + ENVELOPE_VALUE_MAX))
		return "r: no recipient or no proper attribute";
	return NULL;
}

static const char *verb_bytes(struct peer *peer, struct span value)
{
	peer->state = BODY;
	if (!str_add_span(&peer->job->head, value))
		return NULL;
	return errno == EMSGSIZE ? "B: too many inline bytes" : no_memory;
}

static const char *verb_file(struct peer *peer, struct span value)
{
	struct job *job = peer->job;
	struct span offset, rest = value;
	uint64_t from;
	struct stat info;

	if (!span_word(&rest, ' ', &offset) || span_decimal(offset, INT64_MAX, &from) < 0 || span_decimal(rest, INT64_MAX, &job->length) < 0)
		return "F: no offset and length";
	job->fd = ctrl_take_fd(peer->c);
	if (job->fd < 0 || fstat(job->fd, &info) < 0 || !S_ISREG(info.st_mode))
		return "F: no regular file";
	if (from > (uint64_t)info.st_size || job->length > (uint64_t)info.st_size - from)
		return "F: beyond the file's end";
	job->offset = (off_t)from;
	peer->state = FILED;
	return NULL;
}

static const char *verb_end(struct peer *peer, struct span value)
{
	struct intake *intake = peer->intake;
	struct job *job = peer->job;

	if (value.len || !job->target.len || !job->count || !job->arrival)
		return "E: drop, recipients or arrival are missing";
	peer->job = NULL;
	peer->state = IDLE;
	job->peer = peer;
	peer->pending++;
	job->drop = drop_find(intake->drops, str_span(&job->target));
	if (!job->drop)
		outcome_set(&job->result, OUTCOME_LATER, "4.3.5", "no drop named %.*s in %s", (int)strcspn(job->target.data, "/"), job->target.data,
		    intake->drops->source);
	batch_add(intake->batch, job);
	return NULL;
}

static const struct verb {
	char type;
	unsigned when;			/* states in which it may come */
	const char *(*handle)(struct peer *peer, struct span value);
} verbs[] = {
	{ 'J', IDLE, verb_job },
	{ 'D', HEAD, verb_drop },
	{ 'S', HEAD, verb_sender },
	{ 'A', HEAD, verb_attribute },
	{ 'R', HEAD, verb_recipient },
	{ 'r', HEAD, verb_recipient_attribute },
	{ 'B', HEAD | BODY, verb_bytes },
	{ 'F', HEAD | BODY, verb_file },
	{ 'E', HEAD | BODY | FILED, verb_end },
};

/* ---- connections ---- */

static const char *peer_frame(void *arg, struct ctrl *c, struct frame frame)
{
	struct peer *peer = arg;

	(void)c;
	for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
		if (verbs[i].type == frame.type)
			return verbs[i].when & peer->state ? verbs[i].handle(peer, frame.value) : "a frame out of place";
	return "an unknown frame";
}

static void log_end_of(const struct peer *peer, const char *why)
{
	struct ctrl_peer who = ctrl_peer(peer->c);
	struct log_line line;

	log_begin(&line, peer->intake->log, "drop-peer");
	log_num(&line, "uid", who.uid);
	log_num(&line, "pid", (uint64_t)who.pid);
	log_str(&line, "stage", ctrl_peer_stage(peer->c));
	log_text(&line, span_of(why));
	log_end(&line);
}

static bool peer_ended(void *arg, struct ctrl *c)
{
	struct peer *peer = arg;

	(void)c;
	peer->ended = true;
	return peer->pending > 0;
}

static void peer_closed(void *arg, struct ctrl *c, const char *why, bool broken)
{
	struct peer *peer = arg, **at;
	struct intake *intake = peer->intake;

	(void)c;
	if (broken || log_verbose(intake->log) > 0)
		log_end_of(peer, why);
	batch_forget_peer(intake->batch, peer);
	for (at = &intake->peers; *at != peer; at = &(*at)->next)
		;
	*at = peer->next;
	intake->connections--;
	job_free(peer->job);
	free(peer);
	if (intake->ended)
		intake->ended(intake->arg);
}

static void *peer_accepted(void *arg, struct ctrl_peer who, struct ctrl *c)
{
	struct intake *intake = arg;
	struct peer *peer = calloc(1, sizeof *peer);

	(void)who;
	if (!peer)
		return NULL;
	peer->intake = intake;
	peer->c = c;
	peer->state = IDLE;
	peer->next = intake->peers;
	intake->peers = peer;
	intake->connections++;
	return peer;
}

struct intake *intake_new(struct ctrl_hub *hub, struct log *log, const struct drop_table *drops, loop_fn *ended, void *arg)
{
	struct intake *intake = calloc(1, sizeof *intake);

	if (!intake)
		return NULL;
	*intake = (struct intake){ .hub = hub, .log = log, .drops = drops, .ended = ended, .arg = arg, .value = STR_INIT(FRAME_MAX - 1) };
	return intake;
}

/* Connections that are open still are the hub's to close. */
void intake_free(struct intake *intake)
{
	if (!intake)
		return;
	for (struct peer *next, *peer = intake->peers; peer; peer = next) {
		next = peer->next;
		job_free(peer->job);
		free(peer);
	}
	str_free(&intake->value);
	free(intake);
}

void intake_set_batch(struct intake *intake, struct batch *batch)
{
	intake->batch = batch;
}

int intake_listen(struct intake *intake, int fd)
{
	static const struct ctrl_ops ops = { .frame = peer_frame, .closed = peer_closed, .ended = peer_ended };
	struct ctrl_listener *listener;

	if (intake->listener_count == LISTENERS_MAX) {
		errno = EMFILE;
		return -1;
	}
	listener = ctrl_listen(intake->hub, fd, INTAKE_CONNECTIONS_MAX, &ops, peer_accepted, intake);
	if (!listener)
		return -1;
	intake->listeners[intake->listener_count++] = listener;
	return 0;
}

void intake_close(struct intake *intake)
{
	for (size_t i = 0; i < intake->listener_count; i++)
		ctrl_listener_close(intake->listeners[i]);
	intake->listener_count = 0;
}

size_t intake_connections(const struct intake *intake)
{
	return intake->connections;
}

/* An answer that cannot be sent means later to the other side, which asks again. */
void intake_answer(void *arg, const struct job *job)
{
	struct intake *intake = arg;

	if (!job->peer)
		return;
	for (uint32_t n = 0; n < job->count; n++) {
		const struct outcome *outcome = job_outcome(job, n);

		str_cut(&intake->value, 0);
		if (!outcome_value(&intake->value, job->key, n, outcome))
			ctrl_send(job->peer->c, (char)outcome->verdict, str_span(&intake->value));
	}
	job->peer->answered = true;
	job->peer->pending--;
}

void intake_flush(struct intake *intake)
{
	struct peer *peer = intake->peers;

	for (; peer; peer = peer->next) {
		if (!peer->answered)
			continue;
		peer->answered = false;
		if (peer->ended && !peer->pending)
			ctrl_close(peer->c);
		else
			ctrl_flush(peer->c);
	}
}
