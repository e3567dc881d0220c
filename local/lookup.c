/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lookup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "maildir.h"

struct lookup {
	const struct folder *folder;
	const char *host;
	struct deliver_job **jobs;
	size_t count;
	signed char *found;
	struct str name;			/* of the job in hand */
	uint64_t hashes[LOOKUP_JOBS_MAX];	/* of the jobs' names, for the scan */
};

static int set_name(struct lookup *l, size_t i)
{
	str_cut(&l->name, 0);
	return maildir_name(&l->name, l->jobs[i], l->host);
}

static void fail(struct lookup *l, size_t i, int error, const char *where)
{
	struct str text = STR_INIT(4096);

	str_printf(&text, "%s/%s", drop_of(l->jobs[i])->path, where);
	deliver_job_trouble(&l->jobs[i]->result, error, text.data);
	str_free(&text);
	l->found[i] = -1;
}

/* Syncs a copy that was found; one that a reader made unreadable for us was synced before it came to new. */
static int sync_copy(int dir, const char *entry)
{
	int fd = openat(dir, entry, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int result;

	if (fd < 0 && errno != EACCES)
		return -1;
	result = fd < 0 ? 0 : fsync(fd);
	if (fd >= 0)
		close(fd);
	return result < 0 ? -1 : fsync(dir);
}

/* A reader may move it on before it is synced: then the attempt ends with later. */
static void settle(struct lookup *l, size_t i, int dir, const char *where, const char *entry)
{
	const struct str *folder = &l->folder->name;

	if (sync_copy(dir, entry) < 0) {
		fail(l, i, errno, where);
		return;
	}
	outcome_set(&l->jobs[i]->result, OUTCOME_DONE, "2.0.0", "found %s/%s%s%s/%s", drop_of(l->jobs[i])->name, folder->data, folder->len ? "/" : "", where, entry);
	l->found[i] = 1;
}

/* Those that are in new.  Returns how many are still looked for. */
static size_t look_in_new(struct lookup *l)
{
	size_t left = 0;

	for (size_t i = 0; i < l->count; i++) {
		struct stat info;

		if (l->found[i])
			continue;
		if (set_name(l, i) < 0)
			fail(l, i, errno, "new");
		else if (!fstatat(l->folder->new, l->name.data, &info, AT_SYMLINK_NOFOLLOW))
			settle(l, i, l->folder->new, "new", l->name.data);
		else if (errno != ENOENT)
			fail(l, i, errno, "new");
		else
			left++;
		l->hashes[i] = id_hash(str_span(&l->name));
	}
	return left;
}

static void match(struct lookup *l, int dir, const char *entry)
{
	uint64_t hash = id_hash((struct span){ entry, strcspn(entry, ":;,") });

	for (size_t i = 0; i < l->count; i++) {
		if (l->hashes[i] != hash || l->found[i])
			continue;
		if (set_name(l, i) < 0)
			fail(l, i, errno, "cur");
		else if (maildir_is_name(entry, str_span(&l->name)))
			settle(l, i, dir, "cur", entry);
	}
}

/* One pass over cur for all that are left.  0, or -1 with errno. */
static int scan_cur(struct lookup *l)
{
	int fd = openat(l->folder->base, "cur", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *item;
	int error;

	if (!dir) {
		error = errno;
		if (fd >= 0)
			close(fd);
		errno = error;
		return -1;
	}
	while ((errno = 0, item = readdir(dir)))
		match(l, dirfd(dir), item->d_name);
	error = errno;
	closedir(dir);
	errno = error;
	return error ? -1 : 0;
}

void lookup_run(const struct folder *folder, const char *host, struct deliver_job **jobs, size_t count, signed char *found)
{
	struct lookup l = { .folder = folder, .host = host, .jobs = jobs, .count = count, .found = found, .name = STR_INIT(1024) };

	/* new for all of them and then cur: a reader moves messages this way, so that none slips through. */
	if (look_in_new(&l) && scan_cur(&l) < 0) {
		int error = errno;

		for (size_t i = 0; i < count; i++)
			if (!found[i])
				fail(&l, i, error, "cur");
	}
	str_free(&l.name);
}
