/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "copy.h"
#include "crc32c.h"
#include "deferred_file.h"
#include "place.h"
#include "read_at.h"
#include "send.h"

#define LINES_MAX (256U * 1024 * 1024)

static int
read_record(struct send *s, struct deferred_file *file, uint64_t size, struct span *view)
{
	struct window *w = &s->window;
	struct record *record = &file->source.record;
	size_t need = RECORD_LINE, want;
	enum record_kind kind;

	/* Descriptors' numbers come again, so the window must not take this file for the last one. */
	window_forget(w, &s->deferred);
	if (window_at(w, &s->deferred, file->fd, 0, need, size, view) < 0)
		return -1;
	while ((kind = record_read(view->data, view->len, record, &need)) == RECORD_MORE && need > view->len)
		if (window_at(w, &s->deferred, file->fd, 0, need, size, view) < 0 || view->len < need)
			break;
	if (kind != RECORD_WHOLE || record->header_len > size || record->body_len > size - record->header_len) {
		errno = kind == RECORD_VERSION ? ENOTSUP : EBADMSG;
		return -1;
	}
	want = record->header_len + (size_t)(record->body_len < FLIGHT_INLINE ? record->body_len : FLIGHT_INLINE);
	if (view->len < want) {
		if (window_at(w, &s->deferred, file->fd, 0, want, size, view) < 0)
			return -1;
		if (view->len < want || record_read(view->data, view->len, record, &need) != RECORD_WHOLE) {
			errno = EBADMSG;
			return -1;
		}
	}
	file->source.body = (struct span){ view->data + record->header_len, want - record->header_len };
	if (record->body_len <= FLIGHT_INLINE
	    && crc32c(record_body_crc(record->mark), file->source.body.data, file->source.body.len) != record->body_crc) {
		errno = EBADMSG;
		return -1;
	}
	return 0;
}

static int
read_lines(struct deferred_file *file, uint64_t at, uint64_t size, struct span view)
{
	uint64_t len = size - at;

	if (view.len >= size) {
		file->lines = span_skip(view, (size_t)at);
		file->lines.len = (size_t)len;
		return 0;
	}
	if (len > LINES_MAX || read_at(&file->text, file->fd, at, (size_t)len) < 0)
		return -1;
	file->lines = str_span(&file->text);
	return 0;
}

int
deferred_file_open(struct send *s, struct id id, struct deferred_file *file)
{
	return deferred_file_open_in(s, SPOOL_DEFERRED, id, file);
}

int
deferred_file_open_in(struct send *s, enum spool_place place, struct id id, struct deferred_file *file)
{
	struct stat st;
	char name[ID_TEXT_MAX];
	struct span view;
	uint64_t end;
	int saved;

	*file = (struct deferred_file){ .text = STR_INIT(LINES_MAX) };
	id_text(id, name);
	file->fd = openat(s->spool.dir[place], name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (file->fd < 0)
		return -1;
	if (fstat(file->fd, &st) < 0 || read_record(s, file, (uint64_t)st.st_size, &view) < 0)
		goto fail;
	errno = EBADMSG;
	if (!id_equal(file->source.record.id, id))
		goto fail;
	end = file->source.record.header_len + file->source.record.body_len;
	if (read_lines(file, end, (uint64_t)st.st_size, view) < 0)
		goto fail;
	file->torn = file->lines.len > 0 && file->lines.data[file->lines.len - 1] != '\n';
	file->source.fd = file->fd;
	file->source.body_offset = file->source.record.header_len;
	file->source.alone = true;
	return 0;
fail:
	saved = errno;
	deferred_file_close(file);
	errno = saved;
	return -1;
}

void
deferred_file_close(struct deferred_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
	str_free(&file->text);
}

int
deferred_file_append(struct send *s, struct mail *m, int *fd)
{
	char name[ID_TEXT_MAX];
	int saved;

	id_text(m->id, name);
	*fd = openat(s->spool.dir[SPOOL_DEFERRED], name, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (*fd < 0)
		return -1;
	if (m->torn && m->pending.len > 0 && copy_bytes(*fd, "\n", 1) < 0)
		goto fail;
	m->torn = false;
	while (m->pending.len > 0) {
		ssize_t n = write(*fd, m->pending.data, m->pending.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			goto fail;
		str_shift(&m->pending, (size_t)n);
	}
	return 0;
fail:
	saved = errno;
	close(*fd);
	*fd = -1;
	errno = saved;
	return -1;
}

/*
 * Where a crash kept the removal of a file here and lost the line in outcome/ that says that the message moved, the journal would hand it out
 * anew.  So that line is durable first; and where a process before did not live to write it, it is written before the journal's reader gets there.
 */
static int
make_move_durable(struct send *s, struct id id)
{
	struct file *journal = files_find(&s->files, id.name);

	if (journal == NULL)
		return 0;
	if (journal->old && !journal->read_done && (id.index & ID_BOUNCE) == 0 && journal->next_index <= id.index) {
		if (outcomes_note_moved(s, journal, id.index, false) < 0)
			return -1;
		reader_forget(s, journal);	/* it reads the lines again */
	}
	return outcomes_sync(s, journal);
}

int
deferred_file_settle(struct send *s, struct id id, int fd, bool failed)
{
	char name[ID_TEXT_MAX];

	id_text(id, name);
	if (fdatasync(fd) < 0 || (failed && place_bury_deferred(s, id) < 0) || make_move_durable(s, id) < 0)
		return -1;
	return unlinkat(s->spool.dir[SPOOL_DEFERRED], name, 0);
}
