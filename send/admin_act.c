/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin_act.h"
#include "bounce.h"
#include "clock.h"
#include "deferred_file.h"
#include "landing.h"
#include "send.h"
#include "takeoff.h"
#include "text.h"

#define SHOW_MOST (8U * 1024 * 1024)

struct acting {			/* one request */
	struct send *send;
	struct mail *mail;
	struct str drop;	/* reroute */
	uid_t uid;
	bool all;
};

typedef const char *act_fn(struct acting *a, size_t i);

static const char *
note(struct acting *a, size_t i, enum outcome_verdict verdict, const char *status, const char *what)
{
	struct outcome o;

	outcome_set(&o, verdict, status, "%s by uid %lu", what, (unsigned long)a->uid);
	outcomes_note(a->send, a->mail, &a->mail->targets[i], &o, NULL, false);
	return NULL;
}

static const char *
act_hold(struct acting *a, size_t i)
{
	struct target *t = &a->mail->targets[i];

	if (t->state == TARGET_HELD)
		return "it is held already";
	t->state = TARGET_HELD;
	t->next = 0;
	return note(a, i, OUTCOME_LATER, "4.0.0", "held");
}

static void
make_due(struct target *t)
{
	t->state = t->tries > 0 ? TARGET_LATER : TARGET_NEW;
	t->next = t->tries > 0 ? clock_wall() : 0;
	t->cut_short = t->tries > 0;
}

static const char *
act_release(struct acting *a, size_t i)
{
	if (a->mail->targets[i].state != TARGET_HELD)
		return "it is not held";
	make_due(&a->mail->targets[i]);
	return note(a, i, OUTCOME_LATER, "4.0.0", "released");
}

static const char *
act_retry(struct acting *a, size_t i)
{
	if (a->mail->targets[i].state == TARGET_HELD)
		return "it is held: release it";
	make_due(&a->mail->targets[i]);
	if (a->all)
		drops_hurry(a->send);
	return note(a, i, OUTCOME_LATER, "4.0.0", "asked to be tried now");
}

static const char *
act_remove(struct acting *a, size_t i)
{
	a->mail->targets[i].state = TARGET_REMOVED;
	a->mail->targets[i].next = 0;
	return note(a, i, OUTCOME_NEVER, "5.0.0", "removed");
}

static const char *
act_bounce(struct acting *a, size_t i)
{
	a->mail->targets[i].state = TARGET_FAILED;
	a->mail->targets[i].next = 0;
	return note(a, i, OUTCOME_NEVER, "5.0.0", "given up");
}

static const char *
act_reroute(struct acting *a, size_t i)
{
	struct mail *m = a->mail;

	if (m->targets[i].unclear && !m->targets[i].asked)
		return "an attempt may have succeeded: its drop must settle that first";
	if (span_equal(mail_text(m, m->targets[i].drop), str_span(&a->drop)))
		return "it goes there already";
	if (mail_hand_over(m, i, str_span(&a->drop)) < 0)
		return "no memory";
	return note(a, i, OUTCOME_NEVER, "5.0.0", "rerouted");
}

static const struct action {
	const char *name;
	act_fn *act;
	bool operators;		/* not for users */
} actions[] = {
	{ "hold", act_hold, false }, { "release", act_release, false }, { "retry", act_retry, false },
	{ "remove", act_remove, false }, { "bounce", act_bounce, false }, { "reroute", act_reroute, true },
};

struct search {
	struct id id;
	struct entry *entry;
};

static void
match(void *arg, struct entry *e)
{
	struct search *search = arg;

	if (e->index == search->id.index && id_equal(table_id(e), search->id))
		search->entry = e;
}

/* All open targets, or none: the first that refuses, refuses for the message if nothing was changed before it. */
static const char *
act_on_targets(struct acting *a, const struct action *action)
{
	const char *why = "nothing of it waits", *first = NULL;
	size_t count = a->mail->count, done = 0;

	for (size_t i = 0; i < count; i++) {
		if (target_is_final(&a->mail->targets[i]))
			continue;
		why = action->act(a, i);
		if (why == NULL)
			done++;
		else if (first == NULL)
			first = why;
	}
	return done > 0 ? NULL : first != NULL ? first : why;
}

static const char *
act_deferred(struct acting *a, const struct action *action, struct entry *e)
{
	struct send *s = a->send;
	struct deferred_file file;
	const char *why;
	int fd = -1;

	a->mail = deferred_load(s, e, &file);
	if (a->mail == NULL)
		return "it cannot be read now";
	if (!a->all && file.source.record.uid != a->uid)
		why = "it is not yours";
	else if (bounce_is_held(a->mail, file.lines))
		why = "it waits for the message that it is about";
	else
		why = act_on_targets(a, action);
	deferred_file_close(&file);
	/* Durable before it is answered, and before it is due: else a crash would leave a try that the mark does not know of. */
	if (a->mail->pending.len > 0 && (deferred_file_append(s, a->mail, &fd) < 0 || fdatasync(fd) < 0))
		why = "it could not be written down; try again";
	if (fd >= 0)
		close(fd);
	landing_mail(s, a->mail);
	return why;
}

static const char *
act_journal(struct acting *a, const struct action *action, struct entry *e)
{
	struct send *s = a->send;
	struct file *f = e->at.journal.file;
	struct str lines = STR_INIT(64U * 1024 * 1024);
	struct source source;
	const char *why = "it cannot be read now";

	if (!f->foreign && outcomes_reserve(s, f) && send_file_lines(s, f, e->index, &lines) == 0 && takeoff_read(s, e, &source) == 0)
		a->mail = takeoff_begin(s, e, &source, str_span(&lines), file_name(f));
	if (a->mail != NULL) {
		why = !a->all && source.record.uid != a->uid ? "it is not yours" : act_on_targets(a, action);
		if (why == NULL && outcomes_sync(s, f) < 0)
			why = "it could not be written down; try again";
		landing_mail(s, a->mail);
	}
	str_free(&lines);
	return why;
}

static void
log_act(struct send *s, struct id id, const char *verb, uid_t uid, const char *why)
{
	struct log_line line;

	log_begin(&line, s->log, "operator");
	log_id(&line, id);
	log_word(&line, "verb", verb);
	log_num(&line, "uid", uid);
	if (why != NULL)
		log_text(&line, span_of(why));
	log_end(&line);
}

static const char *
perform(struct acting *a, const struct action *action, struct id id)
{
	struct search search = { id, NULL };
	const char *why;

	if (a->send->deferred.ids != NULL)
		return "the deferred messages are still being read; try again";
	table_each(&a->send->table, match, &search);
	if (search.entry == NULL) {
		why = admin_dead(a->send, action->name, id, a->all, a->uid);
		log_act(a->send, id, action->name, a->uid, why);
		return why;
	}
	if ((search.entry->flags & ENTRY_STUCK) != 0)
		return "no such message waits";
	if ((search.entry->flags & ENTRY_FLYING) != 0)
		return "it is being delivered at this moment";
	why = search.entry->place == ENTRY_DEFERRED ? act_deferred(a, action, search.entry) : act_journal(a, action, search.entry);
	log_act(a->send, id, action->name, a->uid, why);
	return why;
}

const char *
admin_act(struct send *s, struct span request, bool all, uid_t uid)
{
	struct acting a = { .send = s, .uid = uid, .all = all, .drop = STR_INIT(PLAN_DROP_LEN) };
	const struct action *action = NULL;
	struct span verb, id_word, drop;
	const char *why;
	struct id id;

	if (!span_word(&request, ' ', &verb) || !span_word(&request, ' ', &id_word) || id_parse(id_word, &id) < 0)
		return "expected a verb and a message's id";
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (span_is(verb, actions[i].name))
			action = &actions[i];
	if (action == NULL)
		return "expected hold, release, retry, remove, bounce or reroute";
	if (action->operators && !all)
		return "that is for operators";
	if (action->act == act_reroute && (!span_word(&request, ' ', &drop) || text_decode(&a.drop, drop) < 0
	    || !text_is_clean(str_span(&a.drop), PLAN_DROP_LEN)
	    || (channel_find(s, str_span(&a.drop)) == NULL && !span_is(str_span(&a.drop), PLAN_DISCARD)))) {
		str_free(&a.drop);
		return "expected a drop with a deliverer behind the id";
	}
	why = request.len > 0 ? "expected nothing more" : perform(&a, action, id);
	str_free(&a.drop);
	return why;
}

static const char *
set_show(struct admin_show *show, int fd, uint64_t at, uint64_t size)
{
	*show = (struct admin_show){ .fd = fd, .at = at, .end = at + (size < SHOW_MOST ? size : SHOW_MOST) };
	return NULL;
}

/* Whether the record that a file begins with can be read, and is the user's. */
static bool
is_owner(int fd, uid_t uid)
{
	struct str head = STR_INIT(RECORD_HEADER_MAX);
	enum record_kind kind;
	struct record record;
	size_t need = 65536;
	bool is = false;
	ssize_t n;

	while (need > head.len && str_reserve(&head, need - head.len) == 0 && (n = pread(fd, head.data + head.len, need - head.len, (off_t)head.len)) > 0) {
		head.len += (size_t)n;
		kind = record_read(head.data, head.len, &record, &need);
		is = kind == RECORD_WHOLE && record.uid == uid;
		if (kind != RECORD_MORE)
			break;
	}
	str_free(&head);
	return is;
}

/* A file of one record: in deferred/ or dead/.  NULL with *found, or why not. */
static const char *
show_file(struct send *s, enum spool_place place, struct id id, bool all, uid_t uid, struct admin_show *show, bool *found)
{
	char name[ID_TEXT_MAX];
	struct stat st;
	const char *why = "it cannot be read";
	int fd;

	id_text(id, name);
	fd = openat(s->spool.dir[place], name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return NULL;
	*found = true;
	/* Who owns it must be known to show it to others than operators. */
	if (!all && !is_owner(fd, uid))
		why = "it is not yours";
	else if (fstat(fd, &st) == 0 && st.st_size > 0)
		return set_show(show, fd, 0, (uint64_t)st.st_size);
	close(fd);
	return why;
}

const char *
admin_act_show(struct send *s, struct span word, bool all, uid_t uid, struct admin_show *show)
{
	struct search search = { .entry = NULL };
	struct source source;
	const char *why;
	bool found = false;
	int fd;

	if (id_parse(word, &search.id) < 0)
		return "expected a message's id";
	why = show_file(s, SPOOL_DEFERRED, search.id, all, uid, show, &found);
	if (!found)
		why = show_file(s, SPOOL_DEAD, search.id, all, uid, show, &found);
	if (found)
		return why;
	table_each(&s->table, match, &search);
	if (search.entry == NULL || search.entry->place != ENTRY_JOURNAL || takeoff_read(s, search.entry, &source) < 0)
		return "no such message waits";
	if (!all && source.record.uid != uid)
		return "it is not yours";
	/* A descriptor of its own: the file's may be closed before the peer has read all. */
	fd = openat(s->spool.dir[SPOOL_JOURNAL], search.entry->at.journal.file->text, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return "it cannot be read";
	return set_show(show, fd, source.body_offset - source.record.header_len, source.record.header_len + source.record.body_len);
}
