/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "copy.h"
#include "place.h"
#include "send.h"
#include "text.h"

#define NAME_BYTES (ID_TEXT_MAX + 8)
#define AHEAD_PIECE (4U * 1024 * 1024)

static int
open_tmp(struct send *s, enum spool_place place, const char *name, char tmp[static NAME_BYTES])
{
	snprintf(tmp, NAME_BYTES, "%s.tmp", name);
	return openat(s->spool.dir[place], tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0660);
}

/* Ends the writing of a .tmp: good so far says whether to keep it. */
static int
close_tmp(struct send *s, enum spool_place place, const char *tmp, int fd, int result)
{
	int saved;

	if (result == 0)
		result = fdatasync(fd);
	saved = errno;
	close(fd);
	if (result < 0)
		unlinkat(s->spool.dir[place], tmp, 0);
	errno = saved;
	return result;
}

int
place_rename(struct send *s, enum spool_place place, const char *name)
{
	char tmp[NAME_BYTES];

	snprintf(tmp, sizeof(tmp), "%s.tmp", name);
	return renameat(s->spool.dir[place], tmp, s->spool.dir[place], name);
}

bool
place_has(struct send *s, enum spool_place place, const char *name)
{
	struct stat st;

	return fstatat(s->spool.dir[place], name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The old record's header anew: all as it was but for committed, which is about the journal file.  The mark stays, so that the CRC that queue worked
 * out holds for the message all the way. */
static int
build_header(struct str *out, const struct record *record)
{
	struct envelope envelope;
	struct record_header header = {
		.mark = record->mark, .id = record->id, .arrival = record->arrival, .committed = 0, .key = record->key,
		.origin = record->origin, .uid = record->uid, .pid = record->pid, .envelope = &envelope,
	};
	int result = -1;

	envelope_init(&envelope, RECORD_HEADER_MAX);
	if (str_set(&envelope.lines, record->attributes) == 0 && str_set(&envelope.sender, record->sender) == 0
	    && str_set(&envelope.rcpts, record->recipients) == 0) {
		envelope.count = record->recipient_count;
		result = record_build(out, &header, record->body_len, record->body_crc);
	}
	envelope_free(&envelope);
	return result;
}

/* One line with another file's CRC. */
static int
translate_line(struct str *out, struct outcome_line line, struct span file)
{
	struct span *fields[] = { &line.status, &line.drop, &line.address, &line.reason };
	struct str words[4] = { STR_INIT(65536), STR_INIT(65536), STR_INIT(65536), STR_INIT(65536) };
	int result = 0;

	for (size_t i = 0; i < 4 && result == 0; i++) {
		result = text_decode(&words[i], *fields[i]);
		*fields[i] = str_span(&words[i]);
	}
	if (result == 0)
		result = outcome_line_write(out, file, &line);
	for (size_t i = 0; i < 4; i++)
		str_free(&words[i]);
	return result;
}

static int
translate(struct str *out, struct span lines, struct span from, struct id id)
{
	char name[ID_TEXT_MAX];
	struct outcome_line line;
	int result;

	id_text(id, name);
	while ((result = outcome_line_read(&lines, from, &line)) != 0)
		if (result > 0 && line.index == id.index && translate_line(out, line, span_of(name)) < 0)
			return -1;
	return 0;
}

/* Opens NAME.tmp and writes the header.  A descriptor, or -1 with errno. */
static int
begin(struct send *s, enum spool_place place, const struct record *record, uint64_t *header_len)
{
	struct str head = STR_INIT(RECORD_HEADER_MAX);
	char name[ID_TEXT_MAX], tmp[NAME_BYTES];
	int fd = -1;

	id_text(record->id, name);
	if (build_header(&head, record) == 0)
		fd = open_tmp(s, place, name, tmp);
	if (fd >= 0 && copy_bytes(fd, head.data, head.len) < 0) {
		close_tmp(s, place, tmp, fd, -1);
		fd = -1;
	}
	*header_len = head.len;
	str_free(&head);
	return fd;
}

int
place_copy_ahead(struct send *s, struct place_ahead *ahead, enum spool_place place, const struct source *source)
{
	uint64_t left, piece, at;

	if (ahead->fd >= 0 && (ahead->place != place || !id_equal(ahead->id, source->record.id)))
		place_drop_ahead(s, ahead);
	if (ahead->fd < 0) {
		*ahead = (struct place_ahead){ .place = place, .id = source->record.id };
		ahead->fd = begin(s, place, &source->record, &ahead->header_len);
		if (ahead->fd < 0)
			return -1;
	}
	left = source->record.body_len - ahead->copied;
	piece = left < AHEAD_PIECE ? left : AHEAD_PIECE;
	if (copy_range(source->fd, source->body_offset + ahead->copied, ahead->fd, piece) < 0) {
		int saved = errno;

		place_drop_ahead(s, ahead);
		errno = saved;
		return -1;
	}
	at = ahead->header_len + ahead->copied;
	ahead->copied += piece;
	/* So that little is left for the sync at the end: this piece sets out for the disk, the one before has arrived.  What fails here fails there. */
	(void)sync_file_range(ahead->fd, (off_t)at, (off_t)piece, SYNC_FILE_RANGE_WRITE);
	if (at > AHEAD_PIECE)
		(void)sync_file_range(ahead->fd, (off_t)(at - AHEAD_PIECE), AHEAD_PIECE, SYNC_FILE_RANGE_WAIT_BEFORE);
	return ahead->copied == source->record.body_len;
}

void
place_drop_ahead(struct send *s, struct place_ahead *ahead)
{
	char name[ID_TEXT_MAX], tmp[NAME_BYTES];

	if (ahead->fd < 0)
		return;
	id_text(ahead->id, name);
	snprintf(tmp, sizeof(tmp), "%s.tmp", name);
	close_tmp(s, ahead->place, tmp, ahead->fd, -1);
	ahead->fd = -1;
}

int
place_write(struct send *s, enum spool_place place, const struct source *source, struct span lines, struct span file, struct place_ahead *ahead)
{
	struct str tail = STR_INIT(256U * 1024 * 1024);
	char name[ID_TEXT_MAX], tmp[NAME_BYTES];
	uint64_t header_len;
	int fd;

	id_text(source->record.id, name);
	snprintf(tmp, sizeof(tmp), "%s.tmp", name);
	fd = ahead != NULL ? ahead->fd : begin(s, place, &source->record, &header_len);
	if (fd >= 0 && translate(&tail, lines, file, source->record.id) == 0
	    && (ahead != NULL || copy_range(source->fd, source->body_offset, fd, source->record.body_len) == 0)
	    && copy_bytes(fd, tail.data, tail.len) == 0)
		/* What fails here fails when it is finished. */
		(void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	else if (fd >= 0)
		fd = close_tmp(s, place, tmp, fd, -1);
	if (ahead != NULL)
		ahead->fd = -1;
	str_free(&tail);
	return fd;
}

int
place_finish(struct send *s, enum spool_place place, struct id id, int fd)
{
	char name[ID_TEXT_MAX], tmp[NAME_BYTES];

	id_text(id, name);
	snprintf(tmp, sizeof(tmp), "%s.tmp", name);
	return close_tmp(s, place, tmp, fd, 0);
}

/* Size bytes of fd as NAME in dead/, durably. */
static int
copy_to_dead(struct send *s, const char *name, int fd, uint64_t size)
{
	char tmp[NAME_BYTES];
	int to = open_tmp(s, SPOOL_DEAD, name, tmp);

	if (to < 0)
		return -1;
	if (close_tmp(s, SPOOL_DEAD, tmp, to, copy_range(fd, 0, to, size)) < 0)
		return -1;
	return place_rename(s, SPOOL_DEAD, name) == 0 ? fsync(s->spool.dir[SPOOL_DEAD]) : -1;
}

int
place_keep_damaged(struct send *s, const char *name, int fd, uint64_t size)
{
	return place_has(s, SPOOL_DEAD, name) ? 0 : copy_to_dead(s, name, fd, size);
}

int
place_bury_deferred(struct send *s, struct id id)
{
	char name[ID_TEXT_MAX];
	struct stat st;
	int fd, result = -1, saved;

	id_text(id, name);
	if (place_has(s, SPOOL_DEAD, name))
		return fsync(s->spool.dir[SPOOL_DEAD]);
	fd = openat(s->spool.dir[SPOOL_DEFERRED], name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0)
		result = copy_to_dead(s, name, fd, (uint64_t)st.st_size);
	saved = errno;
	close(fd);
	errno = saved;
	return result;
}

static struct span
recipient(const struct record *record, uint32_t number)
{
	struct span rest = record->recipients, address, attributes;

	while (record_next_recipient(&rest, &address, &attributes))
		if (number-- == 0)
			return address;
	return (struct span){ "", 0 };
}

void
place_log_dead(struct send *s, const struct record *record, struct span lines, struct span file)
{
	struct str word = STR_INIT(65536);
	struct outcome_line line;
	struct log_line log;
	int result;

	while ((result = outcome_line_read(&lines, file, &line)) != 0) {
		if (result < 0 || line.index != record->id.index || line.state != OUTCOME_STATE_FAILED)
			continue;
		log_begin(&log, s->log, "dead");
		log_id(&log, record->id);
		log_address(&log, "rcpt", recipient(record, line.recipient));
		str_cut(&word, 0);
		if (text_decode(&word, line.drop) == 0)
			log_str(&log, "drop", str_span(&word));
		log_str(&log, "status", line.status);
		str_cut(&word, 0);
		if (text_decode(&word, line.reason) == 0)
			log_text(&log, str_span(&word));
		log_end(&log);
	}
	str_free(&word);
}

int
place_clean(struct send *s, enum spool_place place)
{
	int fd = openat(s->spool.dir[place], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *d;

	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	while ((d = readdir(dir)) != NULL) {
		size_t len = strlen(d->d_name);

		if (len > 4 && strcmp(d->d_name + len - 4, ".tmp") == 0)
			unlinkat(s->spool.dir[place], d->d_name, 0);
	}
	closedir(dir);
	return 0;
}
