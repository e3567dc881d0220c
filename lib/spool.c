/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

static const struct {
	const char *name;
	bool whole_files;		/* its names are N, not ID */
} places[] = {
	[SPOOL_JOURNAL] = { "journal", true },
	[SPOOL_OUTCOME] = { "outcome", true },
	[SPOOL_DEFERRED] = { "deferred", false },
	[SPOOL_DEAD] = { "dead", false },
};
_Static_assert(sizeof places / sizeof *places == SPOOL_PLACES, "each place has a name");

/* Locks, renames and syncs of these are a promise of another machine. */
static const struct {
	uint32_t type;
	const char *name;
} network[] = {
	{ 0x00006969, "NFS" }, { 0xff534d42, "CIFS" }, { 0xfe534d42, "SMB" }, { 0x0000517b, "SMB" }, { 0x65735546, "FUSE" },
	{ 0x00c36400, "Ceph" }, { 0x5346414f, "AFS" }, { 0x6b414653, "AFS" }, { 0x73757245, "Coda" }, { 0x0000564c, "NCP" },
	{ 0x47504653, "GPFS" }, { 0x0bd00bd0, "Lustre" }, { 0x19830326, "BeeGFS" }, { 0x7461636f, "OCFS2" }, { 0x01161970, "GFS2" },
};

const char *spool_place_name(enum spool_place place)
{
	return places[place].name;
}

static const char *network_name(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return NULL;
	for (size_t i = 0; i < sizeof network / sizeof *network; i++)
		if ((uint32_t)fs.f_type == network[i].type)
			return network[i].name;
	return NULL;
}

/* errno outlives what is done to say it. */
static int refuse(struct str *error, int number, const char *path, const char *place, const char *why)
{
	str_cut(error, 0);
	(void)str_printf(error, "spool %s%s%s: %s", path, place != NULL ? "/" : "", place != NULL ? place : "", why);
	errno = number;
	return -1;
}

static int refuse_open(struct str *error, const char *path, const char *place)
{
	int number = errno;

	if (number == ENOENT)
		return refuse(error, number, path, place, "it does not exist; make it with service/setup or mkdir");
	if (number == ENOTDIR || number == ELOOP)
		return refuse(error, number, path, place, "it is no directory (a link to one will not do)");
	return refuse(error, number, path, place, strerror(number));
}

static int open_place(int base, const char *path, const char *place, struct str *error)
{
	int fd = openat(base, place, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	const char *type;

	if (fd < 0)
		return refuse_open(error, path, place);
	type = network_name(fd);
	if (type == NULL)
		return fd;
	close(fd);
	(void)refuse(error, EOPNOTSUPP, path, place, type);
	(void)str_add(error, " is a network file system, which a spool cannot be on");
	errno = EOPNOTSUPP;
	return -1;
}

int spool_open(struct spool *spool, const char *path, struct str *error)
{
	int base = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), number;

	for (int i = 0; i < SPOOL_PLACES; i++)
		spool->dir[i] = -1;
	if (base < 0)
		return refuse_open(error, path, NULL);
	for (int i = 0; i < SPOOL_PLACES; i++) {
		spool->dir[i] = open_place(base, path, places[i].name, error);
		if (spool->dir[i] < 0) {
			number = errno;
			close(base);
			spool_close(spool);
			errno = number;
			return -1;
		}
	}
	close(base);
	return 0;
}

void spool_close(struct spool *spool)
{
	for (int i = 0; i < SPOOL_PLACES; i++) {
		if (spool->dir[i] >= 0)
			close(spool->dir[i]);
		spool->dir[i] = -1;
	}
}

static int compare_ids(const void *a, const void *b)
{
	const struct id *x = a, *y = b;
	int order = id_compare_names(x->name, y->name);

	if (order != 0)
		return order;
	return x->index < y->index ? -1 : x->index > y->index;
}

static bool parse(enum spool_place place, const char *name, struct id *id)
{
	id->index = 0;
	return places[place].whole_files ? id_parse_name(span_of(name), &id->name) == 0 : id_parse(span_of(name), id) == 0;
}

static int add(struct id **ids, size_t *count, size_t *room, struct id id)
{
	if (*count == *room) {
		size_t more = *room > 0 ? *room * 2 : 64;
		struct id *grown = reallocarray(*ids, more, sizeof id);

		if (grown == NULL)
			return -1;
		*ids = grown;
		*room = more;
	}
	(*ids)[(*count)++] = id;
	return 0;
}

/* A descriptor of its own: the place's would be closed with the stream, and shares its position with duplicates. */
static DIR *open_listing(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *listing;

	if (fd < 0)
		return NULL;
	listing = fdopendir(fd);
	if (listing == NULL)
		close(fd);
	return listing;
}

int spool_names(const struct spool *spool, enum spool_place place, struct id **ids, size_t *count)
{
	DIR *listing = open_listing(spool->dir[place]);
	size_t room = 0;
	int error = 0;

	*ids = NULL;
	*count = 0;
	if (listing == NULL)
		return -1;
	while (error == 0) {
		struct dirent *entry;
		struct id id;

		errno = 0;
		entry = readdir(listing);
		if (entry == NULL) {
			error = errno;
			break;
		}
		if (parse(place, entry->d_name, &id) && add(ids, count, &room, id) < 0)
			error = ENOMEM;
	}
	closedir(listing);
	if (error != 0) {
		free(*ids);
		*ids = NULL;
		*count = 0;
		errno = error;
		return -1;
	}
	if (*count > 1)
		qsort(*ids, *count, sizeof **ids, compare_ids);
	return 0;
}
