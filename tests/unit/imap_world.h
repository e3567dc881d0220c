/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A session over a socket pair, with items of its own, for its unit tests and its fuzzer.  Time stands still: the loop runs until nothing happens any more, and no deadline
 * comes.  Invariants are checked with assert: an item is taken once, settled or given back once, and none is left when a session is over.
 */
#ifndef DEADDROP_TESTS_IMAP_WORLD_H
#define DEADDROP_TESTS_IMAP_WORLD_H

#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../imap/session.h"

#define WORLD_ITEMS 40

enum world_place { WORLD_WAITS, WORLD_TAKEN, WORLD_SETTLED };

struct world_item {
	struct item item;		/* first: items lead back to it */
	enum world_place place;
	struct outcome outcome;
};

struct world {
	struct loop *loop;
	struct session_host host;
	struct account account;
	char name[8], port[8], user[8], mailbox[8], flags[8];	/* of the account */
	struct session *session;	/* NULL: over */
	struct world_item items[WORLD_ITEMS];
	size_t count;
	int peer;			/* the server's end, or -1 */
	struct str received;		/* what the client has sent and nobody has taken */
	struct outcome why;
	bool ready, failed, overloaded, login;
	unsigned sessions;
};

static struct item *world_peek(void *arg)
{
	struct world *w = arg;
	struct item *first = NULL, *before = NULL;

	/* linked anew each time: what waits, the unclear ones before the others */
	for (int unclear = 1; unclear >= 0; unclear--) {
		for (size_t i = 0; i < w->count; i++) {
			struct world_item *item = &w->items[i];

			if (item->place != WORLD_WAITS || item->item.unclear != unclear)
				continue;
			if (before)
				before->next = &item->item;
			else if (!first)
				first = &item->item;
			before = &item->item;
			before->next = NULL;
		}
		if (first)
			return first;
	}
	return NULL;
}

static void world_take(void *arg, struct item *item)
{
	struct world_item *taken = (struct world_item *)item;

	(void)arg;
	assert(taken->place == WORLD_WAITS);
	taken->place = WORLD_TAKEN;
}

static void world_settle(void *arg, struct item *item, const struct outcome *outcome)
{
	struct world_item *settled = (struct world_item *)item;

	(void)arg;
	assert(settled->place == WORLD_TAKEN);
	settled->place = WORLD_SETTLED;
	settled->outcome = *outcome;
	assert(outcome->verdict == OUTCOME_DONE || outcome->verdict == OUTCOME_LATER || outcome->verdict == OUTCOME_NEVER);
}

static void world_back(void *arg, struct item *item)
{
	struct world_item *given = (struct world_item *)item;

	(void)arg;
	assert(given->place == WORLD_TAKEN);
	given->place = WORLD_WAITS;
}

static void world_ready(void *arg, struct session *session)
{
	struct world *w = arg;

	assert(session == w->session || !w->session);
	w->ready = true;
}

static void world_overload(void *arg, const struct outcome *why)
{
	struct world *w = arg;

	w->overloaded = true;
	w->why = *why;
}

static void world_over(void *arg, struct session *session, const struct outcome *why, bool login)
{
	struct world *w = arg;

	w->login = login;
	assert(session == w->session);
	w->session = NULL;
	w->failed = why != NULL;
	if (why)
		w->why = *why;
	for (size_t i = 0; i < w->count; i++)
		assert(w->items[i].place != WORLD_TAKEN);
}

static void world_stop(void *arg)
{
	loop_stop(((struct world *)arg)->loop);
}

/* What is ready happens; then what follows from it. */
static void world_run(struct world *w)
{
	for (int turn = 0; turn < 3; turn++) {
		struct loop_timer timer;

		loop_timer_init(&timer, world_stop, w);
		assert(!loop_timer_set(w->loop, &timer, loop_now(w->loop)));
		assert(!loop_run(w->loop));
	}
}

/* Takes what the client has sent into received.  False: it has closed. */
static bool world_receive(struct world *w)
{
	char data[65536];
	ssize_t got;

	if (w->peer < 0)
		return false;
	while ((got = recv(w->peer, data, sizeof data, MSG_DONTWAIT)) > 0)
		assert(!str_append(&w->received, data, (size_t)got));
	return got < 0 && errno == EAGAIN;
}

static bool world_send(struct world *w, const char *data, size_t len)
{
	return w->peer >= 0 && send(w->peer, data, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len;
}

/* The server's end is closed: the session learns of it. */
static void world_hang_up(struct world *w)
{
	if (w->peer >= 0)
		close(w->peer);
	w->peer = -1;
	world_run(w);
}

static void world_connect(struct world *w)
{
	static const struct session_ops ops = {
		.own_mailbox = true, .peek = world_peek, .take = world_take, .settle = world_settle, .back = world_back, .ready = world_ready, .overload = world_overload, .over = world_over,
	};
	int fds[2];

	assert(!w->session && w->peer < 0);
	assert(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	w->peer = fds[1];
	w->ready = w->failed = false;
	w->sessions++;
	str_cut(&w->received, 0);
	w->session = session_new_over(&w->host, &w->account, &ops, w, fds[0], fds[0]);
	assert(w->session);
}

static void world_open(struct world *w)
{
	*w = (struct world){ .loop = loop_new(), .peer = -1, .received = STR_INIT(16U << 20), .name = "phone", .port = "143", .user = "frank", .mailbox = "INBOX" };
	assert(w->loop);
	w->host.loop = w->loop;
	w->account = (struct account){
		.name = w->name, .port = w->port, .mailbox = w->mailbox, .flags = w->flags, .password = STR_INIT(ACCOUNT_SECRET_MAX),
		.password_command = -1, .token_file = -1, .token_command = -1, .tunnel = 0, .tls = ACCOUNT_TLS_NONE, .date_arrival = true, .subscribe = true, .create = true,
		.connections = 1, .keep_alive = 60000000, .timeout = 300000000,
	};
}

static struct item *world_add(struct world *w, const char *mailbox, const char *body)
{
	struct world_item *added = &w->items[w->count];
	struct deliver_job *job = deliver_job_new();
	char id[ID_TEXT_MAX];

	assert(w->count < WORLD_ITEMS && job);
	job->key.id = (struct id){ .name = { 1763712345000000, 5 + w->count % 3 }, .index = (uint32_t)w->count };
	job->arrival = 1763712345000000;
	id_text(job->key.id, id);
	assert(!str_printf(&job->head, "Received: by host\n\tid %s; now\nSubject: x\n\n%s", id, body));
	*added = (struct world_item){ .item = { .job = job, .mailbox = STR_INIT(1024) } };
	assert(!str_add(&added->item.mailbox, mailbox) && !body_open(&added->item.body, job));
	w->count++;
	return &added->item;
}

static void world_close(struct world *w)
{
	if (w->session)
		session_abort(w->session);
	w->session = NULL;
	for (size_t i = 0; i < w->count; i++) {
		assert(w->items[i].place != WORLD_TAKEN);
		str_free(&w->items[i].item.mailbox);
		deliver_job_free(w->items[i].item.job);
	}
	if (w->peer >= 0)
		close(w->peer);
	str_free(&w->received);
	str_free(&w->account.password);
	loop_free(w->loop);
}

#endif
