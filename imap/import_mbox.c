/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mbox files.  A message begins with a From_ line at the file's head or behind an empty line; a line that begins so without a date is text.  Lines that were quoted with ">" get one
 * less (mboxrd).  Status and X-Status, which hold a reader's flags in the file, are taken out and become flags; all other bytes stay.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "import_date.h"
#include "import_source.h"
#include "message.h"

#define PIECE 65536
#define LINE 1024			/* bytes of a line that are looked at */
#define INLINE (256U * 1024)		/* beyond, a message goes to a file without a name */

/* ---- the list ---- */

struct scan {
	struct import_folder *folder;
	off_t at;			/* of the line at hand */
	char line[LINE];		/* its head */
	size_t len, whole;		/* bytes kept, and its length */
	bool empty_before;
	bool failed;
};

static void end_last(struct scan *scan)
{
	if (scan->folder->count)
		scan->folder->messages[scan->folder->count - 1].end = scan->at;
}

static void end_line(struct scan *scan)
{
	struct span line = { scan->line, scan->len };
	struct import_message *message;
	uint64_t date;

	if (scan->empty_before && span_starts(line, "From ") && !import_date_from_line(line, &date)) {
		end_last(scan);
		message = import_source_add(scan->folder);
		scan->failed = !message;
		if (message) {
			message->line = scan->at;
			message->start = scan->at + (off_t)scan->whole;
			message->line_hash = id_hash(line);
			message->date = date;
		}
	}
	scan->empty_before = !span_trim(line).len && scan->whole <= 2;
	scan->at += (off_t)scan->whole;
	scan->len = scan->whole = 0;
}

static void take(struct scan *scan, struct span data)
{
	while (data.len && !scan->failed) {
		const char *end = memchr(data.data, '\n', data.len);
		size_t len = end ? (size_t)(end - data.data) + 1 : data.len;
		size_t keep = len < LINE - scan->len ? len : LINE - scan->len;

		memcpy(scan->line + scan->len, data.data, keep);
		scan->len += keep;
		scan->whole += len;
		data = span_skip(data, len);
		if (end)
			end_line(scan);
	}
}

/* What some programs keep in the first place is no message. */
static bool is_internal(const struct import_folder *folder)
{
	char data[4096];
	ssize_t got = pread(folder->fd, data, sizeof data, folder->messages[0].start);
	struct span header = { data, got > 0 ? (size_t)got : 0 };
	struct message_field field;

	return message_find(header, "X-IMAP", &field) && message_has_value(header, "Subject", span_of("DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA"));
}

/* Under the lock of those who append; what comes later is not looked at. */
static int scan_file(struct scan *scan)
{
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	char *data = malloc(PIECE);
	off_t at = 0;
	ssize_t got = -1;

	while (fcntl(scan->folder->fd, F_SETLKW, &lock) < 0 && errno == EINTR)
		;
	while (data && !scan->failed && ((got = pread(scan->folder->fd, data, PIECE, at)) > 0 || (got < 0 && errno == EINTR))) {
		if (got < 0)
			continue;
		take(scan, (struct span){ data, (size_t)got });
		at += got;
	}
	lock.l_type = F_UNLCK;
	fcntl(scan->folder->fd, F_SETLK, &lock);
	free(data);
	if (scan->failed)
		errno = ENOMEM;
	return got < 0 || scan->failed ? -1 : 0;
}

int import_mbox_list(struct import_folder *folder, struct str *error)
{
	struct scan *scan = calloc(1, sizeof *scan);
	int result = -1;

	if (scan) {
		scan->folder = folder;
		scan->empty_before = true;
		result = scan_file(scan);
		if (!result && scan->whole)
			end_line(scan);
		end_last(scan);
	}
	if (result < 0)
		str_printf(error, "%s: %s", folder->path, strerror(errno));
	else if (!folder->count && scan->at) {
		str_printf(error, "%s: no mbox file: it does not begin with a From line", folder->path);
		free(scan);
		return EX_DATAERR;
	}
	free(scan);
	if (!result && folder->count && is_internal(folder))
		memmove(folder->messages, folder->messages + 1, --folder->count * sizeof *folder->messages);
	return result < 0 ? EX_NOINPUT : 0;
}

/* ---- a message ---- */

struct reading {
	struct import_letter *letter;
	bool in_header, dropping;	/* dropping: within a field that is taken out */
	bool line_goes_on;		/* the line at hand was begun already */
	struct str value;		/* of the field that is taken out */
	bool empty_held;		/* an empty line that may be the last, which is the file's */
	char held[2];
	size_t held_len;
};

static int put(struct reading *r, const char *data, size_t len)
{
	struct deliver_job *job = r->letter->job;
	char name[] = "/tmp/deaddrop-imap.XXXXXX";

	if (job->fd < 0 && job->head.len + len <= INLINE)
		return str_append(&job->head, data, len);
	if (job->fd < 0) {
		job->fd = mkostemp(name, O_CLOEXEC);
		if (job->fd < 0 || unlink(name) < 0)
			return -1;
	}
	for (ssize_t did; len; data += did, len -= (size_t)did) {
		did = write(job->fd, data, len);
		if (did < 0 && errno != EINTR)
			return -1;
		did = did < 0 ? 0 : did;
		job->length += (uint64_t)did;
	}
	return 0;
}

static int put_held(struct reading *r)
{
	size_t len = r->held_len;

	r->held_len = 0;
	return len ? put(r, r->held, len) : 0;
}

static void take_flags(struct reading *r)
{
	static const struct { char letter; const char *flag; } flags[] = {
		{ 'R', "\\Seen" }, { 'A', "\\Answered" }, { 'F', "\\Flagged" }, { 'D', "\\Deleted" }, { 'T', "\\Draft" },
	};

	for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
		if (memchr(r->value.data, flags[i].letter, r->value.len) && !strstr(r->letter->flags, flags[i].flag))
			import_source_flag(r->letter, flags[i].flag);
	str_cut(&r->value, 0);
	r->dropping = false;
}

static bool is_status(struct span line)
{
	return (line.len > 7 && !strncasecmp(line.data, "Status:", 7)) || (line.len > 9 && !strncasecmp(line.data, "X-Status:", 9));
}

/* True: the piece belongs to a field that is taken out. */
static bool in_status(struct reading *r, struct span piece, bool begins)
{
	if (!r->in_header)
		return false;
	if (begins && r->dropping && *piece.data != ' ' && *piece.data != '\t')
		take_flags(r);
	if (begins && !r->dropping && is_status(piece)) {
		r->dropping = true;
		piece = span_skip(piece, (size_t)((const char *)memchr(piece.data, ':', piece.len) - piece.data) + 1);
	}
	if (!r->dropping)
		return false;
	str_add_span(&r->value, piece);		/* what is too much is no flag */
	return true;
}

/* ">From ", ">>From " … */
static bool is_quoted(struct span piece)
{
	size_t i = 0;

	while (i < piece.len && piece.data[i] == '>')
		i++;
	return i && span_starts(span_skip(piece, i), "From ");
}

/* A line, or a piece of one. */
static int take_piece(struct reading *r, struct span piece, bool ends)
{
	bool begins = !r->line_goes_on;
	bool empty = begins && ends && piece.len <= 2 && !span_trim(piece).len;

	r->line_goes_on = !ends;
	if (in_status(r, piece, begins))
		return 0;
	if (put_held(r) < 0)
		return -1;
	if (empty && !r->in_header) {
		memcpy(r->held, piece.data, piece.len);
		r->held_len = piece.len;
		return 0;
	}
	r->in_header = r->in_header && !empty;
	if (begins && is_quoted(piece))
		piece = span_skip(piece, 1);
	return put(r, piece.data, piece.len);
}

/* Each line with its end; one that does not fit into the buffer in pieces, none of which is short. */
static int read_lines(struct reading *r, int fd, off_t at, off_t end, char *data)
{
	size_t have = 0;

	while (at < end || have) {
		size_t want = PIECE - have;
		ssize_t got = at < end ? pread(fd, data + have, (off_t)want < end - at ? want : (size_t)(end - at), at) : 0;
		size_t from = 0;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 || (!got && at < end))
			return errno = got < 0 ? errno : ENODATA, -1;
		at += got;
		have += (size_t)got;
		while (from < have) {
			const char *newline = memchr(data + from, '\n', have - from);
			size_t len = newline ? (size_t)(newline - data) + 1 - from : have - from;

			if (!newline && at < end && (from || have < PIECE))
				break;		/* the rest of it comes */
			if (take_piece(r, (struct span){ data + from, len }, newline || at >= end) < 0)
				return -1;
			from += len;
		}
		memmove(data, data + from, have - from);
		have -= from;
	}
	return 0;
}

/* The file may have been written anew since it was listed. */
static bool is_still_there(const struct import_folder *folder, const struct import_message *message)
{
	char line[LINE];
	size_t len = (size_t)(message->start - message->line) < LINE ? (size_t)(message->start - message->line) : LINE;

	return pread(folder->fd, line, len, message->line) == (ssize_t)len && id_hash((struct span){ line, len }) == message->line_hash;
}

int import_mbox_read(struct import_folder *folder, struct import_message *message, struct import_letter *letter, struct str *error)
{
	struct reading r = { .letter = letter, .in_header = true, .value = STR_INIT(100) };
	char *data = malloc(PIECE);
	int result = -1;

	if (!is_still_there(folder, message))
		str_add(error, "the file has changed; run it again");
	else if (!data || read_lines(&r, folder->fd, message->start, message->end, data) < 0)
		str_add(error, strerror(data ? errno : ENOMEM));
	else
		result = 0;
	if (!result && r.in_header && r.dropping)
		take_flags(&r);
	str_free(&r.value);
	free(data);
	return result;
}
