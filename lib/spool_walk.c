/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "read_at.h"
#include "spool.h"
#include "spool_lines.h"

#define WINDOW 65536U
#define SEARCH_MAX (16U * 1024 * 1024)	/* how far behind damage the next record is looked for */
#define HEAD_MAX 48U			/* bytes that record_find must see at once */

static const enum spool_place order[] = { SPOOL_JOURNAL, SPOOL_DEFERRED, SPOOL_DEAD };
#define ORDER (sizeof order / sizeof *order)

struct spool_walk {
	const struct spool *spool;
	size_t place;			/* in order */
	bool listed;
	struct id *ids;
	size_t count, next;

	int fd;				/* the file that is being read, or -1 */
	struct id id;			/* its name */
	off_t offset, size;
	off_t at;			/* of the record that was read last */
	bool marked;
	uint64_t mark;			/* its records', once one was read */
	struct str window;		/* its bytes from window_at on */
	off_t window_at;
	struct spool_lines lines;
};

struct spool_walk *spool_walk_new(const struct spool *spool)
{
	struct spool_walk *walk = calloc(1, sizeof *walk);

	if (walk == NULL)
		return NULL;
	walk->spool = spool;
	walk->fd = -1;
	walk->window = (struct str)STR_INIT(RECORD_HEADER_MAX);
	spool_lines_init(&walk->lines);
	return walk;
}

static void close_file(struct spool_walk *walk)
{
	if (walk->fd >= 0)
		close(walk->fd);
	walk->fd = -1;
	if (walk->window.cap > 2 * WINDOW)
		str_free(&walk->window);
	str_cut(&walk->window, 0);
	walk->marked = false;
}

void spool_walk_free(struct spool_walk *walk)
{
	if (walk == NULL)
		return;
	close_file(walk);
	str_free(&walk->window);
	spool_lines_free(&walk->lines);
	free(walk->ids);
	free(walk);
}

/* A file that is read-only, regular and no link; nothing in the spool is anything else. */
static int open_plain(int dir, const char *name, off_t *size)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), error = 0;
	struct stat st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		error = errno;
	else if (!S_ISREG(st.st_mode))
		error = EBADMSG;
	if (error == 0) {
		*size = st.st_size;
		return fd;
	}
	close(fd);
	errno = error;
	return -1;
}

/*
 * The outcomes first: send removes a journal file before its outcomes, so that where they are gone already the journal file is too, and
 * done messages are not taken for new ones.
 */
static int load_outcomes(struct spool_walk *walk, const char *name)
{
	off_t size;
	int fd = open_plain(walk->spool->dir[SPOOL_OUTCOME], name, &size), result, error;

	spool_lines_clear(&walk->lines);
	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	result = spool_lines_load(&walk->lines, fd, 0, span_of(name), false);
	error = errno;
	close(fd);
	errno = error;
	return result;
}

/* 0, or -1; a file that has gone since it was listed is ENOENT. */
static int open_file(struct spool_walk *walk, enum spool_place place, struct id id)
{
	char name[ID_TEXT_MAX];

	if (place == SPOOL_JOURNAL)
		id_name_text(id.name, name);
	else
		id_text(id, name);
	if (place == SPOOL_JOURNAL && load_outcomes(walk, name) < 0)
		return -1;
	walk->fd = open_plain(walk->spool->dir[place], name, &walk->size);
	if (walk->fd < 0)
		return -1;
	walk->id = id;
	walk->offset = 0;
	return 0;
}

/* 1: a file is open; 0: there is none left; -1: one could not be read. */
static int open_next(struct spool_walk *walk)
{
	while (walk->place < ORDER) {
		if (!walk->listed) {
			walk->listed = true;
			walk->next = 0;
			if (spool_names(walk->spool, order[walk->place], &walk->ids, &walk->count) < 0)
				return -1;
		}
		while (walk->next < walk->count) {
			if (open_file(walk, order[walk->place], walk->ids[walk->next++]) == 0)
				return 1;
			if (errno != ENOENT)
				return -1;
		}
		free(walk->ids);
		walk->ids = NULL;
		walk->count = 0;
		walk->listed = false;
		walk->place++;
	}
	return 0;
}

/* Makes the window hold need bytes from offset on, or all up to the file's end. */
static int fill(struct spool_walk *walk, off_t offset, size_t need)
{
	off_t end = walk->window_at + (off_t)walk->window.len;

	if (walk->window.len > 0 && offset >= walk->window_at && offset <= end && (end - offset >= (off_t)need || end >= walk->size))
		return 0;
	if (need < WINDOW)
		need = WINDOW;
	str_cut(&walk->window, 0);
	walk->window_at = offset;
	return read_at(&walk->window, walk->fd, (uint64_t)offset, need);
}

static struct span window_from(const struct spool_walk *walk, off_t offset)
{
	return span_skip(str_span(&walk->window), (size_t)(offset - walk->window_at));
}

/* What stands at the walk's offset.  -1: it could not be read. */
static int read_record(struct spool_walk *walk, struct record *record, enum record_kind *kind)
{
	size_t need = RECORD_LINE;

	for (;;) {
		struct span data;
		size_t wanted = need;

		if (fill(walk, walk->offset, wanted) < 0)
			return -1;
		data = window_from(walk, walk->offset);
		*kind = record_read(data.data, data.len, record, &need);
		if (*kind != RECORD_MORE)
			return 0;
		if (data.len >= need || need <= wanted) {	/* the file ends before it does */
			*kind = RECORD_BAD;
			return 0;
		}
	}
}

/* The file is over for this walk. */
static int give_up(struct spool_walk *walk, int error)
{
	walk->offset = walk->size;
	errno = error;
	return -1;
}

/* Behind damage the walk goes on at the next place that the file's mark shows; without one it was the torn tail. */
static int resume(struct spool_walk *walk)
{
	off_t at = walk->offset + 1, last = walk->size;

	if (!walk->marked)
		return give_up(walk, EBADMSG);
	if (last - at > SEARCH_MAX)
		last = at + SEARCH_MAX;
	while (at < last) {
		struct span data;
		size_t found;

		if (fill(walk, at, WINDOW) < 0)
			return give_up(walk, errno);
		data = window_from(walk, at);
		found = record_find(data.data, data.len, 0, walk->mark);
		if (found < data.len) {
			walk->offset = at + (off_t)found;
			errno = EBADMSG;
			return -1;
		}
		if (data.len <= HEAD_MAX || at + (off_t)data.len >= walk->size)
			break;
		at += (off_t)(data.len - HEAD_MAX);
	}
	walk->offset = walk->size;
	return 0;
}

static int finish_entry(struct spool_walk *walk, struct spool_entry *entry, const struct record *record, uint32_t index)
{
	int result = spool_lines_resolve(&walk->lines, record, index);

	if (result == 1)
		*entry = (struct spool_entry){ order[walk->place], *record, walk->lines.recipients, walk->lines.recipient_count };
	return result;
}

/* The message in a file of its own, and the lines behind it. */
static int next_single(struct spool_walk *walk, struct spool_entry *entry, const struct record *record, off_t end)
{
	char name[ID_TEXT_MAX];

	if (!id_equal(record->id, walk->id))
		return give_up(walk, EBADMSG);
	id_text(walk->id, name);
	walk->offset = walk->size;
	if (spool_lines_load(&walk->lines, walk->fd, end, span_of(name), true) < 0)
		return -1;
	return finish_entry(walk, entry, record, 0);
}

/* 1: an entry; 0: nothing here that is to be told, look at walk->offset; -1: an error. */
static int next_record(struct spool_walk *walk, struct spool_entry *entry)
{
	const bool single = order[walk->place] != SPOOL_JOURNAL;
	struct record record;
	enum record_kind kind;
	off_t end;

	walk->at = walk->offset;
	if (read_record(walk, &record, &kind) < 0)
		return give_up(walk, errno);
	if (kind == RECORD_VERSION)
		return give_up(walk, EPROTONOSUPPORT);
	if (kind == RECORD_WHOLE && (uint64_t)(walk->size - walk->offset) < record.header_len + record.body_len) {
		walk->offset = walk->size;	/* still being written, or torn */
		errno = EBADMSG;
		return single ? -1 : 0;
	}
	if (single && kind != RECORD_WHOLE)
		return give_up(walk, EBADMSG);
	if (kind == RECORD_BLANK || kind == RECORD_END) {
		walk->offset = walk->size;
		return 0;
	}
	if (kind != RECORD_WHOLE || (walk->marked && record.mark != walk->mark) ||
	    id_compare_names(record.id.name, walk->id.name) != 0)
		return resume(walk);
	walk->marked = true;
	walk->mark = record.mark;
	end = walk->offset + (off_t)record.header_len + (off_t)record.body_len;
	if (single)
		return next_single(walk, entry, &record, end);
	walk->offset = end;
	return finish_entry(walk, entry, &record, record.id.index);
}

int spool_walk_body(struct spool_walk *walk, struct spool_entry *entry, size_t most, struct span *body)
{
	const uint32_t index = entry->place == SPOOL_JOURNAL ? entry->record.id.index : 0;
	size_t header = entry->record.header_len, need = header;
	struct span data;

	if (most > RECORD_HEADER_MAX - header)
		most = RECORD_HEADER_MAX - header;
	need += entry->record.body_len < most ? (size_t)entry->record.body_len : most;
	*body = (struct span){ "", 0 };
	entry->count = 0;
	if (fill(walk, walk->at, need) < 0)
		return -1;
	data = window_from(walk, walk->at);
	if (data.len < need || record_read(data.data, data.len, &entry->record, &header) != RECORD_WHOLE ||
	    spool_lines_resolve(&walk->lines, &entry->record, index) < 0)
		return -1;
	*body = (struct span){ data.data + entry->record.header_len, need - entry->record.header_len };
	entry->recipients = walk->lines.recipients;
	entry->count = walk->lines.recipient_count;
	return 0;
}

int spool_walk_next(struct spool_walk *walk, struct spool_entry *entry)
{
	int result;

	for (;;) {
		if (walk->fd < 0 && (result = open_next(walk)) <= 0)
			return result;
		while (walk->offset < walk->size)
			if ((result = next_record(walk, entry)) != 0)
				return result;
		close_file(walk);
	}
}
