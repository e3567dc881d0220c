/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clock.h"
#include "copy.h"
#include "filter.h"
#include "flight_frames.h"
#include "message.h"
#include "send.h"

#define FLIGHT_HEADER_MAX (512U * 1024)

/* The original's own descriptor is not passed on: a duplicate would share its locks with the deliverer. */
static int
reopen(struct send *s, const struct record *record)
{
	char name[ID_TEXT_MAX];
	int fd;

	id_text(record->id, name);
	fd = openat(s->spool.dir[SPOOL_DEFERRED], name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0 || errno != ENOENT)
		return fd;
	id_name_text(record->id.name, name);
	return openat(s->spool.dir[SPOOL_JOURNAL], name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

/* A copy in memory that nobody can change.  -1: there is none. */
static int
copy_in_memory(const struct source *source)
{
	int fd = memfd_create("message", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -1;
	if (copy_range(source->fd, source->body_offset, fd, source->record.body_len) == 0
	    && fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) == 0)
		return fd;
	close(fd);
	return -1;
}

/* The same in a file without a name, opened for reading only. */
static int
copy_in_file(struct send *s, const struct source *source)
{
	int dir = s->spool.dir[SPOOL_DEFERRED], to, fd = -1, saved;

	to = openat(dir, "job.tmp", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (to < 0)
		return -1;
	if (copy_range(source->fd, source->body_offset, to, source->record.body_len) == 0)
		fd = openat(dir, "job.tmp", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	saved = errno;
	unlinkat(dir, "job.tmp", 0);
	close(to);
	errno = saved;
	return fd;
}

bool
flight_frames_in_memory(const struct source *source)
{
	return !source->alone && source->record.body_len <= FLIGHT_MEMORY;
}

int
flight_frames_body(struct send *s, const struct source *source)
{
	int fd;

	if (source->alone)
		return reopen(s, &source->record);
	/* A file costs more than its bytes: ext4 looks long for an inode where many have just become free. */
	fd = flight_frames_in_memory(source) ? copy_in_memory(source) : -1;
	return fd >= 0 ? fd : copy_in_file(s, source);
}

static int
put_attributes(struct ctrl *c, const struct job *job, const struct record *record)
{
	/* What a deliverer may know of the submission; its others are none of its business. */
	static const char *const passed[] = { "body", "smtputf8", "ret", "envid" };
	const struct mail *m = job->mail;
	uint32_t tries = 0;
	bool unclear = false;
	int bad = 0;

	for (uint32_t i = 0; i < job->count; i++) {
		const struct target *t = &m->targets[job->targets[i]];

		if (t->tries > tries)
			tries = t->tries;
		unclear |= t->unclear;
	}
	bad |= ctrl_printf(c, 'A', "arrival=%llu", (unsigned long long)record->arrival);
	bad |= ctrl_printf(c, 'A', "try=%lu", (unsigned long)tries + 1);
	bad |= ctrl_printf(c, 'A', "timeout=%llu", (unsigned long long)(job->channel->send->job_timeout / CLOCK_SECOND));
	if (job->drop != NULL && job->drop->limits.connections > 0)
		bad |= ctrl_printf(c, 'A', "connections=%llu", (unsigned long long)job->drop->limits.connections);
	if (unclear)
		bad |= ctrl_send(c, 'A', span_of("unclear=1"));
	for (size_t i = 0; record->attributes.len > 0 && i < sizeof(passed) / sizeof(passed[0]); i++) {
		struct span value = record_attribute(record->attributes, passed[i]);

		if (value.len > 0)
			bad |= ctrl_printf(c, 'A', "%s=%.*s", passed[i], (int)value.len, value.data);
	}
	return bad;
}

static int
put_recipients(struct ctrl *c, const struct job *job, const struct record *record)
{
	const struct mail *m = job->mail;
	/* Each once, as queue takes them: a deliverer takes only so many, and drops the connection of who sends more. */
	static const char *const passed[] = { "notify", "orcpt" };
	struct span rest = record->recipients, address, attributes;
	uint32_t number = 0;
	bool more = record_next_recipient(&rest, &address, &attributes);
	int bad = 0;

	/* A job's targets stand in the order of their recipients' numbers, so one pass over the record finds them all. */
	for (uint32_t i = 0; i < job->count; i++) {
		const struct target *t = &m->targets[job->targets[i]];

		for (; more && number < t->number; number++)
			more = record_next_recipient(&rest, &address, &attributes);
		bad |= ctrl_send(c, 'R', mail_address(m, t));
		if (t->address.len > 0) {
			struct span original = mail_text(m, t->recipient);

			bad |= ctrl_printf(c, 'r', "orig=%.*s", (int)original.len, original.data);
		}
		for (size_t n = 0; more && attributes.len > 0 && n < sizeof(passed) / sizeof(passed[0]); n++) {
			struct span value = record_attribute(attributes, passed[n]);

			if (value.len > 0)
				bad |= ctrl_printf(c, 'r', "%s=%.*s", passed[n], (int)value.len, value.data);
		}
	}
	return bad;
}

/* Bytes as B frames. */
static int
put_bytes(struct ctrl *c, struct span bytes)
{
	int bad = 0;

	while (bytes.len > 0 && bad == 0) {
		bad = ctrl_send(c, 'B', (struct span){ bytes.data, bytes.len < FLIGHT_INLINE ? bytes.len : FLIGHT_INLINE });
		bytes = span_skip(bytes, FLIGHT_INLINE);
	}
	return bad;
}

/* The header as the drop gets it. */
static int
put_header(struct ctrl *c, const struct source *source, struct span header, struct span drop, const struct plan *plan)
{
	struct plan_query query = { &source->record, source->body, NULL, plan->watch };
	struct str changed = STR_INIT(FLIGHT_HEADER_MAX);
	int bad;

	switch (filter_list_apply(plan->filters, header, drop, &query, &changed)) {
	case FILTER_CHANGED:
		bad = put_bytes(c, str_span(&changed));
		break;
	case FILTER_ERROR:
		/* What grows beyond all bounds goes as it is: without a header the job cannot be handed out, nor can others behind it. */
		bad = errno == ENOMEM ? -1 : put_bytes(c, header);
		plan_say(&query, NULL, 0, PLAN_LIMIT, drop);
		break;
	default:
		bad = put_bytes(c, header);
	}
	str_free(&changed);
	return bad;
}

static int
put_message(struct ctrl *c, const struct source *source, struct span drop, const struct plan *plan, int fd)
{
	size_t most = fd < 0 ? source->body.len : FLIGHT_INLINE;
	uint64_t inline_len = fd < 0 && plan->filters == NULL ? 0 : message_header_length((struct span){ source->body.data, most });
	char text[64];
	int bad = 0;

	/* A header without an end within what may go inline goes with the rest. */
	if (fd >= 0 && inline_len >= FLIGHT_INLINE)
		inline_len = 0;
	if (inline_len > 0)
		bad |= put_header(c, source, (struct span){ source->body.data, (size_t)inline_len }, drop, plan);
	if (fd < 0)
		return bad | put_bytes(c, span_skip(source->body, (size_t)inline_len));
	snprintf(text, sizeof(text), "%llu %llu",
	    (unsigned long long)((source->alone ? source->body_offset : 0) + inline_len),
	    (unsigned long long)(source->record.body_len - inline_len));
	if (ctrl_send_fd(c, 'F', span_of(text), fd) < 0) {
		close(fd);
		return -1;
	}
	return bad;
}

int
flight_frames_put(struct channel *c, const struct job *job, const struct source *source, int fd)
{
	const struct mail *m = job->mail;
	char key[ID_KEY_MAX];
	struct span name, drop;
	int bad = 0;

	id_key_text(job->key, key);
	plan_split(mail_text(m, m->targets[job->targets[0]].drop), &name, &drop);
	bad |= ctrl_send(c->ctrl, 'J', span_of(key));
	bad |= ctrl_send(c->ctrl, 'D', drop);
	bad |= ctrl_send(c->ctrl, 'S', source->record.sender);
	bad |= put_attributes(c->ctrl, job, &source->record);
	bad |= put_recipients(c->ctrl, job, &source->record);
	bad |= put_message(c->ctrl, source, mail_text(m, m->targets[job->targets[0]].drop), &c->send->config.plan, fd);
	bad |= ctrl_send(c->ctrl, 'E', (struct span){ "", 0 });
	return bad == 0 ? 0 : -1;
}
