/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "flight_frames.h"
#include "landing.h"
#include "send.h"
#include "waiting.h"

static struct job **
bucket(struct channel *c, const struct id_key *key)
{
	return &c->buckets[(key->id.name.random ^ key->id.index ^ key->part ^ key->hash) & (CHANNEL_BUCKETS - 1)];
}

static bool
same_key(const struct id_key *a, const struct id_key *b)
{
	return a->hash == b->hash && a->part == b->part && id_equal(a->id, b->id);
}

static struct job *
find(struct channel *c, const struct id_key *key)
{
	struct job *job = *bucket(c, key);

	while (job != NULL && !same_key(&job->key, key))
		job = job->chain;
	return job;
}

static void
insert(struct channel *c, struct job *job)
{
	struct job **place = bucket(c, &job->key);

	job->chain = *place;
	*place = job;
	list_put(&c->jobs, &job->order);
	c->job_count++;
	job->mail->jobs++;
}

static void
delete(struct job *job)
{
	struct channel *c = job->channel;
	struct job **place = bucket(c, &job->key);

	while (*place != job)
		place = &(*place)->chain;
	*place = job->chain;
	list_remove(&job->order);
	c->job_count--;
	job->mail->jobs--;
	if (job->drop != NULL)
		drop_ended(job->drop);
	c->send->flying_bytes -= job->bytes;
	free(job);
}

/* The targets of one drop and one part are neighbours: from first to the returned end. */
static size_t
group_end(const struct mail *m, size_t first)
{
	size_t end = first + 1;

	while (end < m->count && m->targets[end].hash == m->targets[first].hash && m->targets[end].part == m->targets[first].part)
		end++;
	return end;
}

static bool
group_is_due(const struct mail *m, size_t first, size_t end, uint64_t now)
{
	for (size_t i = first; i < end; i++)
		if (target_is_due(m, &m->targets[i], now))
			return true;
	return false;
}

static struct job *
job_new(struct send *s, struct channel *c, struct mail *m, size_t first, size_t end, uint64_t now)
{
	struct job *job = malloc(sizeof(*job));

	if (job == NULL)
		return NULL;
	job->channel = c;
	job->mail = m;
	job->drop = drop_find(s, mail_text(m, m->targets[first].drop));
	job->key = (struct id_key){ .id = m->id, .part = m->targets[first].part, .hash = m->targets[first].hash };
	job->sent = loop_now(s->loop);
	job->count = job->answered = 0;
	job->bytes = 0;
	list_init(&job->order);
	for (size_t i = first; i < end && job->count < MAIL_PART; i++)
		if (target_is_due(m, &m->targets[i], now))
			job->targets[job->count++] = (uint32_t)i;
	return job;
}

/* Hands out one group.  False: there was no room, it has to wait. */
static bool
hand_out(struct send *s, struct channel *c, struct mail *m, size_t first, size_t end, const struct source *source, uint64_t now)
{
	bool large = source->record.body_len > FLIGHT_INLINE;
	struct job *job;
	int fd = -1;

	/* A part of it may be flying still, under the same key: the rest goes when that is answered. */
	if (!channel_has_room(c, large) || find(c, &(struct id_key){ .id = m->id, .part = m->targets[first].part, .hash = m->targets[first].hash }))
		return false;
	if (large && (fd = flight_frames_body(s, source)) < 0) {
		log_errno(s->log, "open the message for %.*s", (int)c->name.len, c->name.data);
		return false;
	}
	job = job_new(s, c, m, first, end, now);
	if (job == NULL) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	for (uint32_t i = 0; i < job->count; i++)
		m->targets[job->targets[i]].flying = true;
	if (large && flight_frames_in_memory(source))
		job->bytes = (size_t)source->record.body_len;
	s->flying_bytes += job->bytes;
	insert(c, job);
	if (job->drop != NULL)
		drop_take(s, job->drop);
	c->batch++;
	c->fds += large;
	/* Half a job on the wire can only be taken back with the connection; closed() then finds the job among the lost ones. */
	if (flight_frames_put(c, job, source, fd) < 0)
		ctrl_close(c->ctrl);
	return true;
}

static void
no_channel(struct send *s, struct mail *m, size_t first, size_t end, uint64_t now)
{
	struct outcome o;
	struct span name, rest;

	if (span_is(mail_text(m, m->targets[first].drop), PLAN_DISCARD)) {
		outcome_set(&o, OUTCOME_DONE, "2.0.0", "discarded, as the configuration says");
	} else {
		if (!plan_split(mail_text(m, m->targets[first].drop), &name, &rest))
			name = span_of("?");
		outcome_set(&o, OUTCOME_LATER, "4.3.5", "no deliverer is named %.*s", (int)name.len, name.data);
	}
	for (size_t i = first; i < end; i++)
		if (target_is_due(m, &m->targets[i], now)) {
			mail_answer(m, &m->targets[i], &o, &s->config.retry, now);
			outcomes_note(s, m, &m->targets[i], &o, NULL, true);
		}
}

void
flight_dispatch(struct send *s, struct mail *m, const struct source *source, struct channel *only)
{
	uint64_t now = clock_wall();

	for (size_t first = 0, end; first < m->count; first = end) {
		struct channel *c;
		struct drop *d;

		end = group_end(m, first);
		if (!group_is_due(m, first, end, now))
			continue;
		c = channel_find(s, mail_text(m, m->targets[first].drop));
		if (c == NULL) {
			no_channel(s, m, first, end, now);
			continue;
		}
		if (only != NULL && c != only)
			continue;
		d = drop_find(s, mail_text(m, m->targets[first].drop));
		waiting_end(s, m, (struct waiting){ first, end, c, d }, now);
		if (!group_is_due(m, first, end, now))
			continue;
		if (d != NULL && (!drop_has_room(s, d) || (only == NULL && d->queue.len > 0))) {
			drop_wait(s, d, m->entry);
			continue;
		}
		/* Who comes from the queue has waited; who does not goes behind those that do. */
		if ((only == NULL && c->queue.len > 0) || !hand_out(s, c, m, first, end, source, now))
			channel_wait(c, m->entry);
	}
}

const char *
flight_answer(struct channel *c, struct frame frame)
{
	struct send *s = c->send;
	struct mail *m;
	struct target *t;
	struct outcome o;
	struct id_key key;
	struct job *job;
	uint32_t n;
	char text[ID_KEY_MAX];

	if (outcome_read(frame.type, frame.value, &key, &n, &o) < 0)
		return "an answer that is malformed";
	job = find(c, &key);
	if (job == NULL)
		return "an answer to a key that was not asked for";
	if (n >= job->count)
		return "an answer for a recipient that the job has not";
	m = job->mail;
	t = &m->targets[job->targets[n]];
	c->served = true;
	if (!t->flying)
		return NULL;
	t->flying = false;
	if (drop_answered(s, c, mail_text(m, t->drop), &o)) {
		if (o.clarity == OUTCOME_UNCLEAR)
			outcomes_note_lost(s, m, t);
		drop_wait(s, drop_find(s, mail_text(m, t->drop)), m->entry);
	} else {
		mail_answer(m, t, &o, &s->config.retry, clock_wall());
		id_key_text(key, text);
		outcomes_note(s, m, t, &o, text, true);
	}
	if (++job->answered < job->count)
		return NULL;
	delete(job);
	if (m->jobs == 0)
		landing_mail(s, m);
	return NULL;
}

void
flight_lost(struct channel *c)
{
	while (!list_empty(&c->jobs)) {
		struct job *job = list_owner(c->jobs.before, struct job, order);
		struct mail *m = job->mail;
		struct entry *e = m->entry;

		for (uint32_t i = 0; i < job->count; i++) {
			struct target *t = &m->targets[job->targets[i]];

			if (t->flying)
				outcomes_note_lost(c->send, m, t);
			t->flying = false;
		}
		delete(job);
		if ((e->queued & c->bit) == 0 && queue_push_head(&c->queue, e) == 0)
			e->queued |= c->bit;
		if (m->jobs == 0)
			landing_mail(c->send, m);
	}
}

void
flight_give_up(struct send *s)
{
	for (size_t n = 0; n < s->channels.count; n++)
		for (struct list *l = s->channels.all[n].jobs.after; l != &s->channels.all[n].jobs; l = l->after) {
			struct job *job = list_owner(l, struct job, order);

			for (uint32_t i = 0; i < job->count; i++)
				if (job->mail->targets[job->targets[i]].flying)
					outcomes_note_lost(s, job->mail, &job->mail->targets[job->targets[i]]);
		}
}

const char *
flight_alive(struct channel *c, struct span value)
{
	struct id_key key;
	struct job *job;

	if (id_parse_key(value, &key) < 0)
		return "a sign of life that is malformed";
	job = find(c, &key);
	/* Its answer may have crossed it. */
	if (job == NULL)
		return NULL;
	/* The jobs stand in the order of what was heard of them last. */
	job->sent = loop_now(c->send->loop);
	list_remove(&job->order);
	list_put(&c->jobs, &job->order);
	return NULL;
}
