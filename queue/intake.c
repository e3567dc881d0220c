/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "intake.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "answer.h"
#include "clock.h"
#include "verbs.h"

#define HELLO_WITHIN (10 * CLOCK_SECOND)
#define SILENT_AT_MOST (300 * CLOCK_SECOND)
#define MESSAGE_WITHIN (3600 * CLOCK_SECOND)
#define WATCH_EVERY (5 * CLOCK_SECOND)
#define DRAIN_PATIENCE (3 * CLOCK_SECOND)

/* ---- memory ---- */

static void set_pauses(struct intake *intake)
{
	for (struct peer *peer = intake->first; peer; peer = peer->next)
		ctrl_pause(peer->ctrl, intake->paused || peer->waits);
}

static void set_cost(struct intake *intake, struct limits_user *user, struct submission *s, uint64_t cost)
{
	intake->bytes += cost - s->cost;
	user->bytes += cost - s->cost;
	s->cost = cost;
}

void intake_account(struct intake *intake, struct peer *peer)
{
	if (!peer->current)
		return;
	set_cost(intake, peer->user, peer->current, submission_memory(peer->current));
	if (intake->bytes > intake->limits->buffer && !intake->paused) {
		intake->paused = true;
		set_pauses(intake);
	}
}

void intake_forget(struct intake *intake, struct peer *peer, struct submission *submission)
{
	set_cost(intake, peer->user, submission, 0);
	if (submission->streams) {
		intake->streams--;
		peer->user->streams--;
		intake->stream_ended = true;
	}
	if (submission->large)
		large_drop(submission);
	submission_free(submission);
}

void intake_wait(struct peer *peer)
{
	peer->waits = true;
	ctrl_pause(peer->ctrl, true);
}

/* The oldest unfinished message of the user who has most in memory. */
static struct peer *victim(struct intake *intake)
{
	struct peer *found = NULL;

	for (struct peer *peer = intake->first; peer; peer = peer->next)
		if (peer->current && (!found || peer->user->bytes > found->user->bytes
		    || (peer->user == found->user && peer->begun < found->begun)))
			found = peer;
	return found;
}

/* All reading has stopped for want of memory.  When no commit will free any, unfinished messages have to go: nobody could finish one. */
static void relieve(struct intake *intake)
{
	uint64_t enough = intake->limits->buffer - intake->limits->buffer / 4;
	struct peer *peer;

	if (!intake->paused)
		return;
	while (intake->bytes > enough && journal_idle(intake->journal) && large_idle(&intake->large) && (peer = victim(intake))) {
		verbs_refuse(peer, 'Z', "too much at once");
		ctrl_flush(peer->ctrl);
	}
	if (intake->bytes <= enough) {
		intake->paused = false;
		set_pauses(intake);
	}
}

/* ---- a connection's life ---- */

void intake_unref(struct peer *peer)
{
	if (--peer->refs)
		return;
	limits_user_release(&peer->intake->users, peer->user);
	free(peer->debts);
	free(peer);
}

static void copy_origin(struct peer *peer, struct span stage)
{
	size_t n = 0;

	for (size_t i = 0; i < stage.len && n < SUBMISSION_ORIGIN_MAX; i++) {
		char c = stage.data[i];

		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_')
			peer->origin.word[n++] = c;
	}
	if (!n) {
		static const char unknown[] = "unknown";

		for (; unknown[n]; n++)
			peer->origin.word[n] = unknown[n];
	}
	peer->origin.word[n] = '\0';
}

static const char *peer_frame(void *arg, struct ctrl *c, struct frame frame)
{
	struct peer *peer = arg;

	if (!peer->greeted) {
		peer->greeted = true;
		copy_origin(peer, ctrl_peer_stage(c));
	}
	peer->heard = loop_now(peer->intake->loop);
	return verbs_frame(peer, frame);
}

static void log_closed(const struct peer *peer, const char *why, bool broken)
{
	struct log_line line;

	if (!broken && !peer->current && log_verbose(peer->intake->log) < 1)
		return;
	log_begin(&line, peer->intake->log, broken ? "protocol" : peer->current ? "cut" : "close");
	log_num(&line, "uid", peer->origin.uid);
	log_num(&line, "pid", (uint64_t)peer->origin.pid);
	if (peer->current)
		log_num(&line, "size", peer->current->size);
	log_text(&line, span_of(why));
	log_end(&line);
}

static void peer_closed(void *arg, struct ctrl *c, const char *why, bool broken)
{
	struct peer *peer = arg;
	struct intake *intake = peer->intake;
	struct submission *s = peer->current;

	(void)c;
	log_closed(peer, why, broken);
	peer->ctrl = NULL;
	peer->current = NULL;
	if (s)
		intake_forget(intake, peer, s);
	answer_gone(peer);
	*(peer->prev ? &peer->prev->next : &intake->first) = peer->next;
	if (peer->next)
		peer->next->prev = peer->prev;
	intake->connected--;
	limits_user_disconnect(&intake->users, peer->user);
	intake_unref(peer);
}

/* A shell's client shuts down its end when it has written all, and waits for the answers. */
static bool peer_ended(void *arg, struct ctrl *c)
{
	struct peer *peer = arg;

	(void)c;
	peer->ended = true;
	return peer->pending || peer->owing;
}

static const struct ctrl_ops peer_ops = { .frame = peer_frame, .closed = peer_closed, .ended = peer_ended, .refuse_fds = true };

static struct peer *new_peer(struct intake *intake, struct ctrl_peer who)
{
	struct peer *peer = calloc(1, sizeof *peer);

	if (!peer)
		return NULL;
	peer->user = limits_user_hold(&intake->users, who.uid);
	if (!peer->user) {
		free(peer);
		return NULL;
	}
	if (!limits_user_connect(&intake->users, peer->user, intake->limits)) {
		limits_user_release(&intake->users, peer->user);
		free(peer);
		errno = EUSERS;
		return NULL;
	}
	peer->intake = intake;
	peer->refs = 1;
	peer->state = PEER_BETWEEN;
	peer->origin.uid = who.uid;
	peer->origin.pid = who.pid;
	return peer;
}

static void *accepted(void *arg, struct ctrl_peer who, struct ctrl *c)
{
	struct intake_door *door = arg;
	struct intake *intake = door->intake;
	struct peer *peer = intake->draining ? NULL : new_peer(intake, who);

	if (!peer) {
		if (!intake->draining)
			log_event(intake->log, "refuse", "a connection of uid %lu: %s", (unsigned long)who.uid,
			    errno == EUSERS ? "too many" : "out of memory");
		return NULL;
	}
	peer->ctrl = c;
	peer->trusted = door->trusted;
	peer->serial = ++intake->served;
	peer->heard = loop_now(intake->loop);
	peer->next = intake->first;
	if (peer->next)
		peer->next->prev = peer;
	intake->first = peer;
	intake->connected++;
	if (intake->paused)
		ctrl_pause(c, true);
	intake_watch(intake);
	return peer;
}

/* ---- slow peers ---- */

/* Why a peer has to go, or NULL; *watch: it has to be looked at again. */
static const char *too_slow(struct peer *peer, uint64_t now, bool *watch)
{
	struct intake *intake = peer->intake;

	if (intake->paused || peer->waits) {
		/* it is us who do not listen */
		peer->heard = now;
		*watch = true;
		return NULL;
	}
	if (!ctrl_peer_stage(peer->ctrl).len) {
		*watch = true;
		return now - peer->heard > HELLO_WITHIN ? "no hello" : NULL;
	}
	if (peer->owing && now - peer->owing_since > SILENT_AT_MOST)
		return "takes no answers";
	if (peer->owing || peer->state != PEER_BETWEEN)
		*watch = true;
	if (peer->state != PEER_BETWEEN && now - peer->heard > SILENT_AT_MOST)
		return "silent within a message";
	return peer->current && now - peer->begun > MESSAGE_WITHIN ? "too long at one message" : NULL;
}

static void watchdog(void *arg)
{
	struct intake *intake = arg;
	uint64_t now = clock_boot();
	struct peer *next;
	bool watch = false;

	for (struct peer *peer = intake->first; peer; peer = next) {
		const char *why = too_slow(peer, now, &watch);

		next = peer->next;
		if (!why)
			continue;
		log_event(intake->log, "slow", "uid %lu pid %ld: %s", (unsigned long)peer->origin.uid, (long)peer->origin.pid, why);
		ctrl_close(peer->ctrl);
	}
	keys_expire(intake->keys, now);
	if (watch || keys_count(intake->keys))
		(void)loop_timer_set(intake->loop, &intake->watchdog, now + WATCH_EVERY);
}

void intake_watch(struct intake *intake)
{
	if (!loop_timer_is_set(&intake->watchdog))
		(void)loop_timer_set(intake->loop, &intake->watchdog, loop_now(intake->loop) + WATCH_EVERY);
}

/* ---- all of them ---- */

static void look_again(void *arg)
{
	(void)arg;	/* what it is for happens at the turn's end */
}

int intake_open(struct intake *intake, int fd, bool trusted)
{
	struct intake_door *door = &intake->doors[intake->door_count];

	if (intake->door_count == INTAKE_DOORS) {
		errno = EMFILE;
		return -1;
	}
	*door = (struct intake_door){ .intake = intake, .trusted = trusted, .fd = fd };
	door->listener = ctrl_listen(intake->hub, fd, (unsigned)intake->limits->connections, &peer_ops, accepted, door);
	if (!door->listener)
		return -1;
	if (!intake->door_count++) {
		loop_timer_init(&intake->watchdog, watchdog, intake);
		loop_timer_init(&intake->answers, look_again, intake);
	}
	return 0;
}

static void resume_streams(struct intake *intake)
{
	if (!intake->stream_ended)
		return;
	intake->stream_ended = false;
	for (struct peer *peer = intake->first; peer; peer = peer->next)
		if (peer->waits) {
			if (!peer->current)
				peer->waits = false;
			else
				verbs_resume(peer);
			ctrl_pause(peer->ctrl, intake->paused || peer->waits);
		}
}

static void close_finished(struct intake *intake)
{
	struct peer *next;

	for (struct peer *peer = intake->first; peer; peer = next) {
		next = peer->next;
		if (!peer->pending && (!peer->owing || clock_boot() >= intake->drain_until))
			ctrl_close(peer->ctrl);
	}
}

void intake_turn(struct intake *intake)
{
	answer_turn(intake);
	resume_streams(intake);
	relieve(intake);
	if (intake->draining)
		close_finished(intake);
}

void intake_drain(struct intake *intake)
{
	if (intake->draining)
		return;
	intake->draining = true;
	intake->drain_until = clock_boot() + DRAIN_PATIENCE;
	for (size_t i = 0; i < intake->door_count; i++) {
		ctrl_listener_close(intake->doors[i].listener);
		close(intake->doors[i].fd);
	}
	intake->door_count = 0;
}

void intake_end(struct intake *intake)
{
	struct peer *peer;

	if (!intake->loop)
		return;
	loop_timer_clear(intake->loop, &intake->watchdog);
	loop_timer_clear(intake->loop, &intake->answers);
	while ((peer = intake->first)) {
		intake->first = peer->next;
		if (peer->current)
			intake_forget(intake, peer, peer->current);
		free(peer->debts);
		limits_user_release(&intake->users, peer->user);
		free(peer);
	}
}
