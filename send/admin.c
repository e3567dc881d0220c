/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "admin_act.h"
#include "admin_list.h"
#include "clock.h"
#include "send.h"

#define CONNECTIONS_MAX 64
#define USERS_CONNECTIONS_MAX 48	/* of those who may not do everything: the rest is for operators */
#define USER_CONNECTIONS_MAX 8
#define SLICE 64			/* messages of a turn */
#define SLICE_TIME (CLOCK_SECOND / 200)	/* of a turn, for all peers; each gets on by one message at least */
#define PLANNED 7			/* one whose drops are worked out counts for so many more */
#define PIECE 49152U

struct peer {
	struct send *send;
	struct ctrl *ctrl;
	struct list work, open;
	bool (*some)(struct peer *p);	/* a turn's part of the request at hand, true: there is more; NULL: there is none */
	bool all;		/* may see and do everything */
	uid_t uid;
	/* L */
	struct spool_walk *walk;
	uint64_t messages, bytes;
	/* T */
	struct id *ids;
	size_t next, count;
	uint64_t hurried;
	/* W */
	struct admin_show show;
};

static bool list_some(struct peer *p);
static bool try_some(struct peer *p);
static bool show_some(struct peer *p);

static bool
nothing_more(struct peer *p)
{
	(void)p;
	return false;
}

int
admin_rights_load(struct admin_rights *rights, const char *group)
{
	const struct group *g = getgrnam(group);

	if (g == NULL)
		return -1;
	rights->has_group = true;
	rights->group = g->gr_gid;
	for (char *const *name = g->gr_mem; *name != NULL && rights->count < ADMIN_UIDS_MAX; name++) {
		const struct passwd *user = getpwnam(*name);

		if (user != NULL)
			rights->uids[rights->count++] = user->pw_uid;
	}
	return 0;
}

bool
admin_rights_all(const struct admin_rights *rights, struct ctrl_peer peer)
{
	if (peer.uid == 0 || (rights->has_group && peer.gid == rights->group))
		return true;
	for (size_t i = 0; i < rights->count; i++)
		if (rights->uids[i] == peer.uid)
			return true;
	return false;
}

static void
stop_work(struct peer *p)
{
	list_remove(&p->work);
	spool_walk_free(p->walk);
	p->walk = NULL;
	free(p->ids);
	p->ids = NULL;
	if (p->show.fd >= 0)
		close(p->show.fd);
	p->show.fd = -1;
	p->some = NULL;
}

/* One request after the other, and one a turn: reading goes on when this one is answered. */
static void
begin_work(struct peer *p, bool (*some)(struct peer *p))
{
	p->some = some;
	list_want(&p->send->admin.peers, &p->work);
	ctrl_pause(p->ctrl, true);
}

static void
end_work(struct peer *p)
{
	stop_work(p);
	ctrl_pause(p->ctrl, false);
}

static const char *
refuse(struct peer *p, const char *text)
{
	ctrl_send(p->ctrl, 'X', span_of(text));
	return NULL;
}

static const char *
begin_list(struct peer *p, struct span value)
{
	if (value.len > 0)
		return refuse(p, "L takes no value");
	p->walk = spool_walk_new(&p->send->spool);
	if (p->walk == NULL)
		return refuse(p, "no memory");
	p->messages = p->bytes = 0;
	begin_work(p, list_some);
	return NULL;
}

static const char *
begin_try(struct peer *p, struct span value)
{
	struct id id;

	if (p->send->deferred.ids != NULL)
		return refuse(p, "the deferred messages are still being read; try again");
	if (p->all)
		drops_hurry(p->send);
	p->hurried = p->next = 0;
	if (value.len == 0) {
		p->ids = deferred_ids(p->send, &p->count);
	} else if (id_parse(value, &id) < 0) {
		return refuse(p, "that is no message's id");
	} else if ((p->ids = malloc(sizeof(id))) != NULL) {
		p->ids[0] = id;
		p->count = 1;
	}
	if (p->ids == NULL)
		return refuse(p, "no memory");
	begin_work(p, try_some);
	return NULL;
}

/* One message; whoever wants many asks for each. */
static const char *
begin_act(struct peer *p, struct span value)
{
	const char *why = admin_act(p->send, value, p->all, p->uid);

	begin_work(p, nothing_more);
	if (why != NULL)
		return refuse(p, why);
	ctrl_send(p->ctrl, 'K', span_of("1"));
	return NULL;
}

static const char *
begin_show(struct peer *p, struct span value)
{
	const char *why = admin_act_show(p->send, value, p->all, p->uid, &p->show);

	begin_work(p, why == NULL ? show_some : nothing_more);
	return why != NULL ? refuse(p, why) : NULL;
}

static const struct {
	char type;
	const char *(*begin)(struct peer *p, struct span value);
} verbs[] = {
	{ 'L', begin_list },
	{ 'T', begin_try },
	{ 'O', begin_act },
	{ 'W', begin_show },
};

static const char *
on_frame(void *arg, struct ctrl *c, struct frame frame)
{
	struct peer *p = arg;

	(void)c;
	if (p->some != NULL)
		return "a request before the last one was answered";
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (verbs[i].type == frame.type)
			return verbs[i].begin(p, frame.value);
	return refuse(p, "unknown request");
}

static void
on_closed(void *arg, struct ctrl *c, const char *why, bool broken)
{
	struct peer *p = arg;
	struct log_line line;

	(void)c;
	if (broken) {
		log_begin(&line, p->send->log, "broken");
		log_word(&line, "socket", "admin.ctrl");
		log_num(&line, "uid", p->uid);
		log_text(&line, span_of(why));
		log_end(&line);
	}
	stop_work(p);
	list_remove(&p->open);
	free(p);
}

static const struct ctrl_ops ops = { .frame = on_frame, .closed = on_closed };

/* Whether one more connection of a user leaves some for the others, and for operators. */
static bool
has_place(const struct send *s, uid_t uid)
{
	unsigned users = 0, his = 0;

	for (struct list *l = s->admin.open.after; l != &s->admin.open; l = l->after) {
		const struct peer *p = list_owner(l, struct peer, open);

		users += !p->all;
		his += !p->all && p->uid == uid;
	}
	return users < USERS_CONNECTIONS_MAX && his < USER_CONNECTIONS_MAX;
}

static void *
accepted(void *arg, struct ctrl_peer peer, struct ctrl *c)
{
	struct send *s = arg;
	bool all = admin_rights_all(&s->rights, peer);
	struct peer *p = all || has_place(s, peer.uid) ? calloc(1, sizeof(*p)) : NULL;

	if (p == NULL) {
		ctrl_send(c, 'X', span_of("too many connections; try again"));
		return NULL;
	}
	p->send = s;
	p->ctrl = c;
	p->uid = peer.uid;
	p->all = all;
	p->show.fd = -1;
	list_init(&p->work);
	list_init(&p->open);
	list_put(&s->admin.open, &p->open);
	return p;
}

void
admin_init(struct send *s)
{
	list_init(&s->admin.peers);
	list_init(&s->admin.open);
}

int
admin_listen(struct send *s, int fd)
{
	if (s->admin.listener != NULL)
		return -1;
	s->admin.listener = ctrl_listen(s->hub, fd, CONNECTIONS_MAX, &ops, accepted, s);
	return s->admin.listener != NULL ? 0 : -1;
}

void
admin_close(struct send *s)
{
	if (s->admin.listener != NULL)
		ctrl_listener_close(s->admin.listener);
	s->admin.listener = NULL;
}

/* The one before was the n-th message of this peer's in this turn. */
static bool
may_go_on(const struct peer *p, int n)
{
	return n == 0 || (n < SLICE && clock_boot() < p->send->admin.until);
}

static bool
list_some(struct peer *p)
{
	struct spool_entry entry;

	for (int n = 0; may_go_on(p, n) && ctrl_unsent(p->ctrl) < CTRL_OUT_PAUSE; n++) {
		int result = spool_walk_next(p->walk, &entry);

		if (result == 0) {
			ctrl_printf(p->ctrl, 'E', "%llu %llu", (unsigned long long)p->messages, (unsigned long long)p->bytes);
			return false;
		}
		if (result > 0 && (p->all || entry.record.uid == p->uid)) {
			p->messages++;
			p->bytes += entry.record.body_len;
			if (admin_list_entry(p->send, p->walk, &entry, p->ctrl) > 0)
				n += PLANNED;
		}
	}
	return true;
}

static bool
try_some(struct peer *p)
{
	for (int n = 0; may_go_on(p, n) && p->next < p->count; n++)
		if (deferred_hurry(p->send, p->ids[p->next++], p->all, p->uid) > 0)
			p->hurried++;
	if (p->next < p->count)
		return true;
	ctrl_printf(p->ctrl, 'K', "%llu", (unsigned long long)p->hurried);
	return false;
}

/* What stands in the message's file, in frames, as the peer takes them. */
static bool
show_some(struct peer *p)
{
	char piece[PIECE];

	while (p->show.at < p->show.end && ctrl_unsent(p->ctrl) < CTRL_OUT_PAUSE) {
		uint64_t left = p->show.end - p->show.at;
		ssize_t n = pread(p->show.fd, piece, left < PIECE ? (size_t)left : PIECE, (off_t)p->show.at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || ctrl_send(p->ctrl, 'B', (struct span){ piece, (size_t)n }) < 0) {
			refuse(p, "it cannot be read to its end");
			return false;
		}
		p->show.at += (uint64_t)n;
	}
	if (p->show.at < p->show.end)
		return true;
	ctrl_send(p->ctrl, 'K', span_of("1"));
	return false;
}

bool
admin_turn(struct send *s)
{
	bool more = false;

	s->admin.until = clock_boot() + SLICE_TIME;

	for (struct list *l = s->admin.peers.after, *after; l != &s->admin.peers; l = after) {
		struct peer *p = list_owner(l, struct peer, work);

		after = l->after;
		if (p->some(p))
			more |= ctrl_unsent(p->ctrl) < CTRL_OUT_PAUSE;
		else
			end_work(p);
		ctrl_flush(p->ctrl);
	}
	return more;
}
