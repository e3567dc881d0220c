/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "import_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define MESSAGES_MAX (4U * 1000 * 1000)

struct import_message *import_source_add(struct import_folder *folder)
{
	if (folder->count == folder->room) {
		size_t room = folder->room ? folder->room * 2 : 256;
		struct import_message *more = folder->count < MESSAGES_MAX ? reallocarray(folder->messages, room, sizeof *more) : NULL;

		if (!more)
			return NULL;
		folder->messages = more;
		folder->room = room;
	}
	folder->messages[folder->count] = (struct import_message){ .state = IMPORT_WAITS };
	return &folder->messages[folder->count++];
}

void import_source_flag(struct import_letter *letter, const char *flag)
{
	size_t len = strlen(letter->flags);

	if (len + strlen(flag) + 2 > sizeof letter->flags)
		return;
	if (len)
		letter->flags[len++] = ' ';
	memcpy(letter->flags + len, flag, strlen(flag) + 1);
}

static struct import_folder *add_folder(struct import_source *source)
{
	struct import_folder *folder = calloc(1, sizeof *folder);

	if (!folder)
		return NULL;
	folder->fd = -1;
	folder->path = strdup(source->path);
	folder->name = strdup("");
	folder->next = source->folders;
	source->folders = folder;
	return folder->path && folder->name ? folder : NULL;
}

static int what_it_is(struct import_source *source, struct str *error)
{
	struct stat st;

	if (fstat(source->fd, &st) < 0)
		return str_printf(error, "%s: %s", source->path, strerror(errno)), EX_NOINPUT;
	source->mbox = S_ISREG(st.st_mode);
	if (source->mbox)
		return 0;
	if (!S_ISDIR(st.st_mode) || faccessat(source->fd, "cur", F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return str_printf(error, "%s: neither a Maildir (a directory with cur and new) nor a file", source->path), EX_DATAERR;
	return 0;
}

int import_source_open(struct import_source *source, const char *path, bool subfolders, struct str *error)
{
	int status;

	source->path = strdup(path);
	source->fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (source->fd < 0 || !source->path)
		return str_printf(error, "%s: %s", path, strerror(errno)), EX_NOINPUT;
	status = what_it_is(source, error);
	if (status)
		return status;
	if (!add_folder(source))
		return str_add(error, strerror(ENOMEM)), EX_OSERR;
	return subfolders && !source->mbox ? import_maildir_folders(source, error) : 0;
}

int import_source_list(struct import_source *source, struct import_folder *folder, struct str *error)
{
	int fd = source->fd;

	if (folder->directory)
		fd = openat(source->fd, folder->directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	else
		fd = fcntl(source->fd, F_DUPFD_CLOEXEC, 3);
	folder->fd = fd;
	if (fd < 0)
		return str_printf(error, "%s: %s", folder->path, strerror(errno)), EX_NOINPUT;
	return source->mbox ? import_mbox_list(folder, error) : import_maildir_list(source, folder, error);
}

void import_source_close(struct import_folder *folder)
{
	for (size_t i = 0; i < folder->count; i++)
		free(folder->messages[i].name);
	free(folder->messages);
	folder->messages = NULL;
	folder->count = folder->room = 0;
	if (folder->fd >= 0)
		close(folder->fd);
	folder->fd = -1;
}

void import_source_free(struct import_source *source)
{
	for (struct import_folder *next, *folder = source->folders; folder; folder = next) {
		next = folder->next;
		import_source_close(folder);
		free(folder->path);
		free(folder->name);
		free(folder->directory);
		free(folder);
	}
	if (source->fd >= 0)
		close(source->fd);
	free(source->path);
}

static int read_letter(struct import_source *source, struct import_folder *folder, struct import_message *message, struct import_letter *letter, struct str *error)
{
	return source->mbox ? import_mbox_read(folder, message, letter, error) : import_maildir_read(folder, message, letter, error);
}

int import_source_read(struct import_source *source, struct import_folder *folder, struct import_message *message, struct import_letter *letter, struct str *error)
{
	*letter = (struct import_letter){ .job = deliver_job_new() };
	if (!letter->job) {
		str_add(error, strerror(ENOMEM));
		return -1;
	}
	if (!read_letter(source, folder, message, letter, error)) {
		letter->job->arrival = message->date;
		return 0;
	}
	deliver_job_free(letter->job);
	return -1;
}
