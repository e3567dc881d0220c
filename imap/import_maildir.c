/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Maildirs.  A reader may rename what was listed (new to cur, other flags): the name up to its colon stays, and is looked for again. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "clock.h"
#include "import_source.h"
#include "mailbox.h"

#define HEAD 65536			/* bytes of a message that are read at once; the rest is read from its file */

/* ---- names ---- */

static const char *base(const char *name)
{
	return name + 4;		/* "cur/", "new/" */
}

static size_t base_length(const char *name)
{
	return strcspn(base(name), ":");
}

/* By the part that stays: it begins with the time of arrival. */
static int compare_names(const char *a, const char *b)
{
	size_t la = base_length(a), lb = base_length(b);
	int order = memcmp(base(a), base(b), la < lb ? la : lb);

	return order ? order : la < lb ? -1 : la > lb;
}

static int compare(const void *a, const void *b)
{
	return compare_names(((const struct import_message *)a)->name, ((const struct import_message *)b)->name);
}

static int list_one(struct import_folder *folder, const char *which)
{
	int fd = openat(folder->fd, which, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int result = 0;

	if (!directory)
		return -1;
	while (!result && (errno = 0, entry = readdir(directory))) {
		struct import_message *message = *entry->d_name == '.' ? NULL : import_source_add(folder);

		if (*entry->d_name == '.')
			continue;
		if (!message || asprintf(&message->name, "%s/%s", which, entry->d_name) < 0) {
			if (message)
				folder->count--;
			errno = ENOMEM;
			result = -1;
		}
	}
	if (errno)
		result = -1;
	closedir(directory);
	return result;
}

/* new may be missing, cur may not. */
static int list_both(struct import_folder *folder)
{
	if (list_one(folder, "cur") < 0 || (list_one(folder, "new") < 0 && errno != ENOENT))
		return -1;
	if (folder->count)
		qsort(folder->messages, folder->count, sizeof *folder->messages, compare);
	return 0;
}

int import_maildir_list(struct import_source *source, struct import_folder *folder, struct str *error)
{
	size_t kept = 0;

	if (list_both(folder) < 0)
		return str_printf(error, "%s: %s", folder->path, strerror(errno)), EX_NOINPUT;
	for (size_t i = 0; i < folder->count; i++) {
		struct import_message *message = &folder->messages[i];
		struct stat st;

		if (!fstatat(folder->fd, message->name, &st, AT_SYMLINK_NOFOLLOW) && !S_ISREG(st.st_mode)) {
			source->skipped(source->arg, folder->path, message->name, "no regular file");
			free(message->name);
			continue;
		}
		folder->messages[kept++] = *message;
	}
	folder->count = kept;
	return 0;
}

/* ---- subfolders ---- */

/* ".A.B" in modified UTF-7, or in UTF-8, to "A/B". */
static int read_name(const char *directory, struct str *name)
{
	struct span wire = span_of(directory + 1);

	if (mailbox_decode(name, wire) < 0) {
		struct str check = STR_INIT(4 * MAILBOX_MAX);
		int result = mailbox_encode(&check, wire);

		str_free(&check);
		str_cut(name, 0);
		if (result < 0 || str_add_span(name, wire) < 0)
			return -1;
	}
	if (memchr(name->data, '/', name->len))
		return -1;
	for (size_t i = 0; i < name->len; i++)
		if (name->data[i] == '.')
			name->data[i] = '/';
	return 0;
}

static int add_subfolder(struct import_source *source, const char *directory)
{
	struct str name = STR_INIT(MAILBOX_MAX), path = STR_INIT(65536), wire = STR_INIT(4 * MAILBOX_MAX);
	struct import_folder *folder = NULL;
	int result = 0;

	str_printf(&path, "%s/%s", source->path, directory);
	if (read_name(directory, &name) < 0 || mailbox_wire(&wire, str_span(&name), '/', span_of(""), false) < 0)
		source->skipped(source->arg, source->path, directory, "no name for a mailbox");
	else if (!(folder = calloc(1, sizeof *folder)))
		result = -1;
	if (folder) {
		*folder = (struct import_folder){ .fd = -1, .path = strdup(path.data), .name = strdup(name.data), .directory = strdup(directory) };
		folder->next = source->folders->next;
		source->folders->next = folder;
		result = folder->path && folder->name && folder->directory ? 0 : -1;
	}
	str_free(&name);
	str_free(&path);
	str_free(&wire);
	return result;
}

static bool is_maildir(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	bool is = fd >= 0 && !faccessat(fd, "cur", F_OK, AT_SYMLINK_NOFOLLOW);

	if (fd >= 0)
		close(fd);
	return is;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)b, *(char *const *)a);	/* each goes before those that were added */
}

int import_maildir_folders(struct import_source *source, struct str *error)
{
	int fd = openat(source->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	char **names = NULL;
	size_t count = 0;
	int result = directory ? 0 : -1;

	while (!result && (entry = readdir(directory))) {
		char **more;

		if (*entry->d_name != '.' || !entry->d_name[1] || entry->d_name[1] == '.' || !is_maildir(source->fd, entry->d_name))
			continue;
		more = reallocarray(names, count + 1, sizeof *names);
		names = more ? more : names;
		if (!more || !(names[count] = strdup(entry->d_name)))
			result = -1;
		else
			count++;
	}
	if (names)
		qsort(names, count, sizeof *names, compare_texts);
	for (size_t i = 0; i < count; i++) {
		result = result ? result : add_subfolder(source, names[i]);
		free(names[i]);
	}
	free(names);
	if (directory)
		closedir(directory);
	return result ? str_printf(error, "%s: %s", source->path, strerror(errno)), EX_OSERR : 0;
}

/* ---- messages ---- */

static int open_message(const struct import_folder *folder, const struct import_message *message, struct stat *st)
{
	int fd = openat(folder->fd, message->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	if (!fstat(fd, st) && S_ISREG(st->st_mode))
		return fd;
	close(fd);
	errno = ELOOP;
	return -1;
}

/* All names are read anew, once for all that were renamed since. */
static void find_again(struct import_folder *folder)
{
	struct import_folder now = { .fd = folder->fd };

	if (!list_both(&now))
		for (size_t i = 0; i < folder->count; i++) {
			struct import_message *message = &folder->messages[i];
			struct import_message *found = now.count ? bsearch(message, now.messages, now.count, sizeof *message, compare) : NULL;

			if (found && strcmp(found->name, message->name)) {
				char *name = message->name;

				message->name = found->name;
				found->name = name;
			}
		}
	now.fd = -1;
	import_source_close(&now);
}

/* ":2,FRS" */
static void read_flags(const char *name, struct import_letter *letter)
{
	static const struct { char letter; const char *flag; } flags[] = {
		{ 'S', "\\Seen" }, { 'R', "\\Answered" }, { 'F', "\\Flagged" }, { 'T', "\\Deleted" }, { 'D', "\\Draft" },
	};
	const char *info = strrchr(name, ':');

	if (!info || strncmp(info, ":2,", 3))
		return;
	for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
		if (strchr(info + 3, flags[i].letter))
			import_source_flag(letter, flags[i].flag);
}

static int read_head(int fd, struct deliver_job *job)
{
	char data[16384];
	ssize_t got = 1;

	while (got && job->head.len < HEAD) {
		got = read(fd, data, sizeof data);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 || str_append(&job->head, data, (size_t)got) < 0)
			return -1;
	}
	return 0;
}

int import_maildir_read(struct import_folder *folder, struct import_message *message, struct import_letter *letter, struct str *error)
{
	struct stat st;
	int fd = open_message(folder, message, &st);

	if (fd < 0 && errno == ENOENT) {
		find_again(folder);
		fd = open_message(folder, message, &st);
	}
	if (fd < 0 || read_head(fd, letter->job) < 0) {
		if (fd >= 0 || errno != ENOENT)
			str_add(error, errno == ELOOP ? "no regular file" : strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	message->date = st.st_mtime > 0 ? (uint64_t)st.st_mtime * CLOCK_SECOND : 0;
	read_flags(message->name, letter);
	if ((uint64_t)st.st_size <= letter->job->head.len) {
		close(fd);
		return 0;
	}
	letter->job->fd = fd;
	letter->job->offset = (off_t)letter->job->head.len;
	letter->job->length = (uint64_t)st.st_size - letter->job->head.len;
	return 0;
}
