/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include "deliver_internal.h"

struct deliver *deliver_new(struct ctrl_hub *hub, size_t cap, const struct deliver_ops *ops, void *arg)
{
	struct deliver *deliver = calloc(1, sizeof *deliver);

	if (!deliver)
		return NULL;
	*deliver = (struct deliver){ .hub = hub, .cap = cap, .ops = ops, .arg = arg, .value = STR_INIT(FRAME_MAX - 1) };
	deliver->known = deliver_known_new();
	if (deliver->known)
		return deliver;
	free(deliver);
	return NULL;
}

void deliver_free(struct deliver *deliver)
{
	if (!deliver)
		return;
	deliver_known_free(deliver->known);
	deliver_peer_free_all(deliver);
	str_free(&deliver->value);
	free(deliver);
}

size_t deliver_connections(const struct deliver *deliver)
{
	return deliver->connections;
}

size_t deliver_pending(const struct deliver *deliver)
{
	return deliver->pending;
}

int deliver_listen(struct deliver *deliver, int fd)
{
	struct ctrl_listener *listener;

	if (deliver->listener_count == DELIVER_LISTENERS_MAX) {
		errno = EMFILE;
		return -1;
	}
	listener = ctrl_listen(deliver->hub, fd, DELIVER_CONNECTIONS_MAX, &deliver_peer_ops, deliver_peer_accepted, deliver);
	if (!listener)
		return -1;
	deliver->listeners[deliver->listener_count++] = listener;
	return 0;
}

void deliver_close(struct deliver *deliver)
{
	for (size_t i = 0; i < deliver->listener_count; i++)
		ctrl_listener_close(deliver->listeners[i]);
	deliver->listener_count = 0;
}

void deliver_hang_up(struct deliver *deliver)
{
	for (struct deliver_peer *peer = deliver->peers; peer; peer = peer->next)
		ctrl_close(peer->c);
}

void deliver_flush(struct deliver *deliver)
{
	for (struct deliver_peer *peer = deliver->peers; peer; peer = peer->next) {
		if (!peer->answered)
			continue;
		peer->answered = false;
		if (peer->ended && !peer->pending)
			ctrl_close(peer->c);
		else
			ctrl_flush(peer->c);
	}
	deliver_weigh(deliver);
}

static bool over(const struct deliver *deliver, size_t quarters)
{
	return deliver->bytes >= deliver->cap / 4 * quarters || deliver->files >= DELIVER_FILES_MAX / 4 * quarters;
}

void deliver_weigh(struct deliver *deliver)
{
	bool full = over(deliver, deliver->full ? 3 : 4);

	if (full == deliver->full)
		return;
	deliver->full = full;
	deliver_peer_pause_all(deliver, full);
}

static size_t weight(const struct deliver_job *job)
{
	return sizeof *job + job->head.cap + job->recipients.cap + job->attributes.cap + job->recipient_attributes.cap + job->target.cap + job->sender.cap;
}

static void answer(struct deliver *deliver, struct deliver_job *job)
{
	if (deliver->ops->answered)
		deliver->ops->answered(deliver->arg, job);
	deliver_peer_answer(deliver, job);
	deliver->pending--;
	deliver->bytes -= weight(job);
	deliver->files -= job->fd >= 0;
	deliver_job_free(job);
}

static void submit(struct deliver *deliver, struct deliver_job *job)
{
	struct deliver_job *running;

	/* Without memory for what is known: later. */
	if (deliver_known_recall(deliver->known, job) < 0) {
		deliver_job_trouble(&job->result, ENOMEM, "known outcomes");
		answer(deliver, job);
		return;
	}
	if (deliver_job_all_settled(job)) {
		answer(deliver, job);
		return;
	}
	running = deliver_known_running(deliver->known, job->key);
	if (running) {
		job->next = running->joined;
		running->joined = job;
		return;
	}
	deliver_known_start(deliver->known, job);
	job->next = NULL;
	deliver->ops->deliver(deliver->arg, job);
}

/* The weight must not change while the job is at hand: its strings are only read from here on. */
void deliver_add(struct deliver *deliver, struct deliver_job *job)
{
	deliver->pending++;
	deliver->bytes += weight(job);
	deliver->files += job->fd >= 0;
	submit(deliver, job);
	deliver_weigh(deliver);
}

/* Those that joined get what their recipients got; one with other recipients is a job of its own after all. */
void deliver_done(struct deliver *deliver, struct deliver_job *job)
{
	struct deliver_job *joined = job->joined;

	job->joined = NULL;
	deliver_known_finish(deliver->known, job);
	for (struct deliver_job *next; joined; joined = next) {
		next = joined->next;
		if (deliver_known_share(job, joined) < 0 || deliver_job_all_settled(joined))
			answer(deliver, joined);
		else
			submit(deliver, joined);
	}
	answer(deliver, job);
}

static void log_outcome(struct log *log, const struct deliver_job *job, const char *rcpt, const struct outcome *outcome)
{
	static const struct { enum outcome_verdict verdict; const char *event; } events[] = {
		{ OUTCOME_DONE, "done" }, { OUTCOME_LATER, "later" }, { OUTCOME_NEVER, "never" },
	};
	const char *event = "later";
	struct log_line line;

	for (size_t i = 0; i < sizeof events / sizeof events[0]; i++)
		if (events[i].verdict == outcome->verdict)
			event = events[i].event;
	log_begin(&line, log, event);
	log_id(&line, job->key.id);
	log_word(&line, "key", job->key_text);
	log_str(&line, "drop", str_span(&job->target));
	log_address(&line, "rcpt", span_of(rcpt));
	log_num(&line, "size", deliver_job_size(job));
	if (outcome->verdict != OUTCOME_DONE)
		log_word(&line, "status", outcome->status);
	log_text(&line, span_of(outcome->text));
	log_end(&line);
}

void deliver_log_outcomes(struct log *log, const struct deliver_job *job)
{
	const char *rcpt = NULL;

	for (size_t n = 0; (rcpt = deliver_job_next_recipient(job, rcpt)); n++)
		log_outcome(log, job, rcpt, deliver_job_outcome(job, n));
}

void deliver_log_peer(struct log *log, struct ctrl_peer peer, struct span stage, const char *why)
{
	struct log_line line;

	log_begin(&line, log, "drop-peer");
	log_num(&line, "uid", peer.uid);
	log_num(&line, "pid", (uint64_t)peer.pid);
	log_str(&line, "stage", stage);
	log_text(&line, span_of(why));
	log_end(&line);
}
