/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What operators, and those whose it is, do with a message in dead/: try it anew, or remove it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "admin_act.h"
#include "copy.h"
#include "deferred_file.h"
#include "place.h"
#include "send.h"

#define LINES_MAX (64U * 1024 * 1024)

/* Lines that make what failed new again. */
static int
put_lines(struct send *s, const struct deferred_file *file, struct id id, uid_t uid, struct str *lines)
{
	struct mail *m = mail_new(NULL, &file->source.record);
	char name[ID_TEXT_MAX], reason[64];
	int count = -1;

	if (m == NULL)
		return -1;
	id_text(id, name);
	snprintf(reason, sizeof(reason), "released by uid %lu", (unsigned long)uid);
	m->body = file->source.body;
	if (mail_plan(m, &file->source.record, file->lines, span_of(name), &s->config.plan, &s->config.retry) == 0)
		count = 0;
	for (size_t i = 0; count >= 0 && i < m->count; i++) {
		struct target *t = &m->targets[i];

		if (t->state != TARGET_FAILED)
			continue;
		t->state = TARGET_NEW;
		t->tries = 0;
		count = mail_put_lines(m, t, lines, span_of(name), "", span_of(reason)) < 0 ? -1 : count + 1;
	}
	mail_free(m);
	return count;
}

/* deferred/ID, durably: what stands in dead/ID, and the lines. */
static int
write_deferred(struct send *s, const struct deferred_file *file, const char *name, const struct str *lines)
{
	int dir = s->spool.dir[SPOOL_DEFERRED], fd, result = -1, saved;
	uint64_t size = file->source.body_offset + file->source.record.body_len;
	char tmp[ID_TEXT_MAX + 8];

	snprintf(tmp, sizeof(tmp), "%s.tmp", name);
	fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0660);
	if (fd < 0)
		return -1;
	if (copy_range(file->fd, 0, fd, size) == 0 && copy_bytes(fd, file->lines.data, file->lines.len) == 0
	    && (!file->torn || copy_bytes(fd, "\n", 1) == 0) && copy_bytes(fd, lines->data, lines->len) == 0 && fdatasync(fd) == 0
	    && renameat(dir, tmp, dir, name) == 0)
		result = fsync(dir);
	saved = errno;
	close(fd);
	if (result < 0)
		unlinkat(dir, tmp, 0);
	errno = saved;
	return result;
}

static const char *
release(struct send *s, const struct deferred_file *file, struct id id, uid_t uid)
{
	struct str lines = STR_INIT(LINES_MAX);
	const char *why = NULL;
	char name[ID_TEXT_MAX];
	int count;

	id_text(id, name);
	count = put_lines(s, file, id, uid, &lines);
	if (count == 0)
		why = "nothing of it failed";
	else if (count < 0 || write_deferred(s, file, name, &lines) < 0)
		why = "it could not be written down; try again";
	str_free(&lines);
	if (why == NULL)
		deferred_enter(s, id);
	return why;
}

const char *
admin_dead(struct send *s, const char *verb, struct id id, bool all, uid_t uid)
{
	bool again = strcmp(verb, "release") == 0;
	struct deferred_file file;
	const char *why = NULL;
	char name[ID_TEXT_MAX];

	if (deferred_file_open_in(s, SPOOL_DEAD, id, &file) < 0)
		return errno == ENOENT ? "no such message waits" : "it cannot be read";
	id_text(id, name);
	if (!all && file.source.record.uid != uid)
		why = "it is not yours";
	else if (!again && strcmp(verb, "remove") != 0)
		why = "it is dead: it can be released or removed";
	else if (again)
		why = release(s, &file, id, uid);
	deferred_file_close(&file);
	/* Where it is in deferred/ again that is what counts, whether or not this one goes. */
	if (why == NULL && (unlinkat(s->spool.dir[SPOOL_DEAD], name, 0) < 0 || fsync(s->spool.dir[SPOOL_DEAD]) < 0)) {
		log_errno(s->log, "remove dead/%s", name);
		why = again ? NULL : "it could not be removed";
	}
	return why;
}
