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
#include "record.h"

#define WINDOW (128U * 1024)

/* Where flock and fsync may mean less than they say (statfs(2)). */
static const uint32_t network_types[] = {
	0x6969, 0x517b, 0xff534d42, 0xfe534d42, 0x5346414f, 0x73757245, 0x01021997, 0x00c36400, 0x6b414653, 0x564c,
};

static int fail(struct str *error, int status, const char *what, const char *path)
{
	int saved = errno;

	str_cut(error, 0);
	(void)str_printf(error, "%s %s: %s", what, path, strerror(saved));
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
	if (str_reserve(window, want))
		return -1;
	while (window->len < least) {
		ssize_t n = pread(file->fd, window->data + window->len, want - window->len, (off_t)(at + window->len));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (!n)
			break;
		window->len += (size_t)n;
	}
	return 0;
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

/* Learns the keys of the whole records.  What comes after the first thing that is none was never answered, or is damaged; send looks at it in either case. */
static int learn_keys(struct file *file)
{
	uint64_t at = 0;

	for (;;) {
		struct record record;
		enum record_kind kind;
		struct keys_key key;
		bool has_key, right;

		if (read_record(file, at, &record, &kind))
			return -1;
		if (kind == RECORD_BAD)
			log_place(file, "torn", at, "no whole record from here on");
		if (kind == RECORD_VERSION)
			log_place(file, "version", at, "a format that this program does not know; left as it is");
		if (kind != RECORD_WHOLE)
			return 0;
		if (record.body_len > file->size || at + record.header_len > file->size - record.body_len) {
			log_place(file, "torn", at, "no whole record from here on");
			return 0;
		}
		has_key = !keys_parse(record.key, &key);	/* before the window moves */
		if (body_is_right(file, at + record.header_len, &record, &right))
			return -1;
		if (right && has_key && learn(file, &record, key))
			return -1;
		if (!right)
			log_place(file, "torn", at, "a message does not match its checksum");
		at += record.header_len + record.body_len;
	}
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
	struct file file = { .scan = scan, .window = STR_INIT(RECORD_HEADER_MAX + WINDOW) };

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
