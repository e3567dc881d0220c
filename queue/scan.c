/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sysexits.h>
#include <unistd.h>

#include "crc32c.h"
#include "read_at.h"
#include "record.h"

#define WINDOW (128U * 1024)
#define RESUME_TRIES 1000		/* a message full of first lines shall not hold up the start */

/* Where flock and fsync may mean less than they say (statfs(2)). */
static const uint32_t network_types[] = {
	0x6969, 0x517b, 0xff534d42, 0xfe534d42, 0x5346414f, 0x73757245, 0x01021997, 0x00c36400, 0x6b414653, 0x564c,
};

static int fail(struct str *error, int status, const char *what, const char *path)
{
	int saved = errno;

	str_cut(error, 0);
	(void)str_printf(error, "%s %s: %s%s", what, path, strerror(saved), saved == EACCES ? "; it must belong to the stage's user (service/setup mends owners and modes)" : "");
	return status;
}

static int check_type(int dir, const char *path, struct str *error)
{
	struct statfs fs;

	if (fstatfs(dir, &fs))
		return fail(error, EX_IOERR, "examine", path);
	for (size_t i = 0; i < sizeof network_types / sizeof network_types[0]; i++)
		if ((uint32_t)fs.f_type == network_types[i]) {
			(void)str_printf(error, "%s: lies on a network file system, which cannot hold a spool", path);
			return EX_CONFIG;
		}
	return 0;
}

int scan_open(const char *path, int *dir, int *lock, struct str *error)
{
	int status;

	*lock = -1;
	*dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*dir < 0)
		return fail(error, EX_NOINPUT, "open", path);
	status = check_type(*dir, path, error);
	if (status)
		return status;
	*lock = openat(*dir, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (*lock < 0)
		return fail(error, EX_CANTCREAT, "open the lock in", path);
	if (!flock(*lock, LOCK_EX | LOCK_NB))
		return 0;
	if (errno != EWOULDBLOCK)
		return fail(error, EX_OSERR, "lock", path);
	(void)str_printf(error, "%s: another queue runs on this spool", path);
	return EX_TEMPFAIL;
}

/* ---- one file ---- */

struct file {
	struct scan *scan;
	struct id_name name;
	char text[ID_NAME_LEN + 1];
	int fd;
	uint64_t size;
	struct str window;
};

/* The bytes at an offset, at least least of them unless the file ends.  0, or -1 with errno. */
static int look_at(struct file *file, uint64_t at, size_t least)
{
	struct str *window = &file->window;
	size_t want = least > WINDOW ? least : WINDOW;

	str_cut(window, 0);
	return read_at(window, file->fd, at, want);
}

static int body_is_right(struct file *file, uint64_t at, const struct record *record, bool *right)
{
	uint32_t crc = record_body_crc(record->mark);
	uint64_t end = at + record->body_len;

	while (at < end) {
		size_t n = end - at < WINDOW ? (size_t)(end - at) : WINDOW;

		if (look_at(file, at, n))
			return -1;
		if (file->window.len < n)
			break;
		crc = crc32c(crc, file->window.data, n);
		at += n;
	}
	*right = at == end && crc == record->body_crc;
	return 0;
}

/* What stands at an offset, with as much of the file in the window as that takes. */
static int read_record(struct file *file, uint64_t at, struct record *record, enum record_kind *kind)
{
	size_t need = RECORD_LINE;

	for (;;) {
		size_t before = need;

		if (look_at(file, at, need))
			return -1;
		*kind = record_read(file->window.data, file->window.len, record, &need);
		if (*kind != RECORD_MORE)
			return 0;
		if (file->window.len < before || need <= file->window.len || need > RECORD_HEADER_MAX) {
			*kind = RECORD_BAD;
			return 0;
		}
	}
}

static int learn(struct file *file, const struct record *record, struct keys_key key)
{
	struct keys *keys = file->scan->keys;
	struct keys_entry *entry = keys_find(keys, key);

	/* the first record of a key is the one that was answered */
	if (entry)
		return 0;
	entry = keys_begin(keys, key);
	if (!entry)
		return -1;
	keys_store(keys, entry, record->id, file->scan->now);
	return 0;
}

static void log_place(struct file *file, const char *event, uint64_t at, const char *text)
{
	struct log_line line;

	log_begin(&line, file->scan->log, event);
	log_word(&line, "file", file->text);
	log_num(&line, "offset", at);
	log_text(&line, span_of(text));
	log_end(&line);
}

/* A whole record of this file at an offset, in header and message.  0, or -1 with errno. */
static int read_sound(struct file *file, uint64_t at, struct record *record, enum record_kind *kind, struct keys_key *key, bool *has_key, bool *right)
{
	*has_key = *right = false;
	if (read_record(file, at, record, kind))
		return -1;
	if (*kind != RECORD_WHOLE)
		return 0;
	if (record->body_len > file->size || at + record->header_len > file->size - record->body_len
	    || id_compare_names(record->id.name, file->name)) {
		*kind = RECORD_BAD;
		return 0;
	}
	*has_key = !keys_parse(record->key, key);	/* before the window moves */
	return body_is_right(file, at + record->header_len, record, right);
}

/* The next place from at on where a first line may stand, or the file's size.  0, or -1 with errno. */
static int find_head(struct file *file, uint64_t *at)
{
	static const char head[] = "%deaddrop 1 ";

	while (*at < file->size) {
		const char *found;

		if (look_at(file, *at, RECORD_LINE))
			return -1;
		found = memmem(file->window.data, file->window.len, head, sizeof head - 1);
		if (found) {
			*at += (uint64_t)(found - file->window.data);
			return 0;
		}
		/* it may lie across the window's end */
		*at += file->window.len < sizeof head ? file->window.len + 1 : file->window.len - (sizeof head - 2);
	}
	*at = file->size;
	return 0;
}

/*
 * Behind what is no record: the next sound one of this file.  A message that holds such lines is no trap, for it cannot know the file's name
 * beforehand.  0, or -1 with errno.
 */
static int resume(struct file *file, uint64_t *at)
{
	for (int tries = 0; tries < RESUME_TRIES; tries++) {
		struct record record;
		enum record_kind kind;
		struct keys_key key;
		bool has_key, right;

		++*at;
		if (find_head(file, at))
			return -1;
		if (*at == file->size)
			return 0;
		if (read_sound(file, *at, &record, &kind, &key, &has_key, &right))
			return -1;
		if (right)
			return 0;
	}
	*at = file->size;
	return 0;
}

/*
 * Learns the keys of the whole records.  What comes behind the last one was never answered, or is damaged; send looks at it in either case.  Behind
 * damage there may be records that were answered, so they are sought.
 */
static int learn_keys(struct file *file)
{
	for (uint64_t at = 0; at < file->size;) {
		struct record record;
		enum record_kind kind;
		struct keys_key key;
		bool has_key, right;

		if (read_sound(file, at, &record, &kind, &key, &has_key, &right))
			return -1;
		if (kind == RECORD_VERSION)
			log_place(file, "version", at, "a format that this program does not know; left as it is");
		if (kind == RECORD_VERSION || kind == RECORD_BLANK || kind == RECORD_END)
			return 0;
		if (right && has_key && learn(file, &record, key))
			return -1;
		if (right) {
			at += record.header_len + record.body_len;
			continue;
		}
		log_place(file, "torn", at, kind == RECORD_BAD ? "no whole record" : "a message does not match its checksum");
		if (resume(file, &at))
			return -1;
	}
	return 0;
}

static bool has_end_mark(struct file *file)
{
	struct record record;
	size_t need;

	if (file->size < RECORD_END_LINE || look_at(file, file->size - RECORD_END_LINE, RECORD_END_LINE))
		return false;
	return record_read(file->window.data, file->window.len, &record, &need) == RECORD_END
	    && record.committed == file->size - RECORD_END_LINE;
}

/* Empty, or beginning with NULs where a first line would stand: nobody was told of it. */
static int is_blank(struct file *file, bool *blank)
{
	size_t n = file->size < RECORD_LINE ? (size_t)file->size : RECORD_LINE;

	if (look_at(file, 0, n))
		return -1;
	*blank = true;
	for (size_t i = 0; i < n && i < file->window.len; i++)
		if (file->window.data[i])
			*blank = false;
	return 0;
}

static int scan_file(struct file *file, int dir)
{
	struct stat st;
	bool blank;

	if (fstat(file->fd, &st))
		return -1;
	if (!S_ISREG(st.st_mode))
		return 0;
	file->size = (uint64_t)st.st_size;
	if (has_end_mark(file))
		return 0;
	if (is_blank(file, &blank))
		return -1;
	if (blank) {
		/* somebody else's lock on it is for a look only; then it is removed the next time */
		return flock(file->fd, LOCK_EX | LOCK_NB) || !unlinkat(dir, file->text, 0) || errno == ENOENT ? 0 : -1;
	}
	return fdatasync(file->fd) ? -1 : learn_keys(file);
}

/* A file that cannot be read or synced is send's to judge; here only its keys are missing, which costs a second copy at worst, and only to who asks just now. */
static void scan_name(struct scan *scan, int dir, struct id_name name)
{
	struct file file = { .scan = scan, .name = name, .window = STR_INIT(RECORD_HEADER_MAX + WINDOW) };

	id_name_text(name, file.text);
	file.fd = openat(dir, file.text, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (file.fd < 0) {
		if (errno != ENOENT)
			log_errno(scan->log, "open journal file: %s", file.text);
		return;
	}
	if (scan_file(&file, dir))
		log_errno(scan->log, "read journal file: %s", file.text);
	str_free(&file.window);
	close(file.fd);
}

static int compare(const void *a, const void *b)
{
	return id_compare_names(*(const struct id_name *)a, *(const struct id_name *)b);
}

/* The names, oldest first, so that the first record of a key is met first. */
static int list_names(int dir, struct id_name **names, size_t *count)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;
	size_t room = 0;

	*names = NULL;
	*count = 0;
	if (!stream) {
		if (copy >= 0)
			close(copy);
		return -1;
	}
	while (errno = 0, (entry = readdir(stream))) {
		struct id_name name;

		if (id_parse_name(span_of(entry->d_name), &name))
			continue;
		if (*count == room) {
			struct id_name *grown = realloc(*names, (room = room ? room * 2 : 64) * sizeof **names);

			if (!grown)
				break;
			*names = grown;
		}
		(*names)[(*count)++] = name;
	}
	int error = errno;
	closedir(stream);
	if (*count)
		qsort(*names, *count, sizeof **names, compare);
	errno = error;
	return error ? -1 : 0;
}

int scan_journal(struct scan *scan, int dir, struct str *error)
{
	struct id_name *names;
	size_t count;
	int status = 0;

	if (list_names(dir, &names, &count))
		status = fail(error, EX_IOERR, "read the directory", "journal");
	for (size_t i = 0; i < count; i++) {
		if (names[i].usec > scan->newest)
			scan->newest = names[i].usec;
		scan_name(scan, dir, names[i]);
	}
	free(names);
	if (!status && fsync(dir))
		status = fail(error, EX_IOERR, "sync the directory", "journal");
	return status;
}
