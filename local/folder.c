/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPEN_DIRECTORY (O_RDONLY | O_DIRECTORY | O_CLOEXEC)

struct folder_cache {
	struct folder folders[FOLDER_CACHE_MAX];
	uint64_t count;
	uint64_t swept;			/* what count was at the last sweep */
};

/* A directory that was just made, by us, so that nothing is in it yet. */
static int finish_directory(int dir, int made, const struct drop *drop, const struct drop_owner *owner)
{
	gid_t group = drop->has_group ? drop->group : owner->gid;
	mode_t mode = drop->mode | (drop->mode & 0444) >> 2 | S_ISGID;

	if ((owner->uid != (uid_t)-1 || group != (gid_t)-1) && fchown(made, owner->uid, group) < 0)
		return -1;
	if (fchmod(made, mode) < 0 || fsync(made) < 0)
		return -1;
	return fsync(dir);
}

static int make_below(int dir, const char *name, int flags, const struct drop *drop, const struct drop_owner *owner)
{
	int fd = openat(dir, name, OPEN_DIRECTORY | flags);
	int error;

	if (fd >= 0 || errno != ENOENT)
		return fd;
	if (mkdirat(dir, name, 0700) < 0)
		return errno == EEXIST ? openat(dir, name, OPEN_DIRECTORY | O_NOFOLLOW) : -1;
	fd = openat(dir, name, OPEN_DIRECTORY | O_NOFOLLOW);
	if (fd < 0 || !finish_directory(dir, fd, drop, owner))
		return fd;
	/* One that is half made would be taken for somebody's own the next time. */
	error = errno;
	unlinkat(dir, name, AT_REMOVEDIR);
	close(fd);
	errno = error;
	return -1;
}

int folder_make(int dir, const char *name, const struct drop *drop, const struct drop_owner *owner)
{
	return make_below(dir, name, O_NOFOLLOW, drop, owner);
}

/* Links above and at the root are the administrator's own: they are followed. */
int folder_make_root(const char *path, const struct drop *drop, const struct drop_owner *owner)
{
	int dir = open(path, OPEN_DIRECTORY);
	struct span rest = span_of(path), name;
	struct str step = STR_INIT(4096);

	if (dir >= 0 || errno != ENOENT)
		return dir;
	dir = open(*path == '/' ? "/" : ".", OPEN_DIRECTORY);
	while (dir >= 0 && span_word(&rest, '/', &name)) {
		int next = -1;

		if (!name.len)
			continue;
		if (!str_set(&step, name))
			next = make_below(dir, step.data, 0, drop, owner);
		close(dir);
		dir = next;
	}
	str_free(&step);
	return dir;
}

/* ---- the cache ---- */

struct folder_cache *folder_cache_new(void)
{
	struct folder_cache *cache = calloc(1, sizeof *cache);

	for (size_t i = 0; cache && i < FOLDER_CACHE_MAX; i++)
		cache->folders[i] = (struct folder){ .name = STR_INIT(256), .base = -1, .tmp = -1, .new = -1 };
	return cache;
}

static void close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void close_folder(struct folder *folder)
{
	close_one(&folder->base);
	close_one(&folder->tmp);
	close_one(&folder->new);
	folder->drop = NULL;
}

void folder_cache_free(struct folder_cache *cache)
{
	for (size_t i = 0; cache && i < FOLDER_CACHE_MAX; i++) {
		close_folder(&cache->folders[i]);
		str_free(&cache->folders[i].name);
	}
	free(cache);
}

void folder_forget(struct folder *folder)
{
	folder->seen = false;
	folder->inode = 0;		/* no directory has this number, so it is opened anew */
}

/* Readers know a subfolder of a Maildir by this file. */
static int mark_folder(const struct folder *folder)
{
	int fd = openat(folder->base, "maildirfolder", O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, folder->drop->mode);

	if (fd < 0)
		return -1;
	return close(fd);
}

static int open_base(struct folder *folder, const struct drop_owner *owner)
{
	int root = folder_make_root(folder->drop->inside, folder->drop, owner);
	struct stat info;

	if (root < 0 || !folder->name.len) {
		folder->base = root;
		return root < 0 ? -1 : 0;
	}
	folder->base = folder_make(root, folder->name.data, folder->drop, owner);
	close(root);
	if (folder->base < 0)
		return -1;
	if (fstatat(folder->base, "maildirfolder", &info, AT_SYMLINK_NOFOLLOW) < 0)
		return mark_folder(folder);
	return 0;
}

static int open_folder(struct folder *folder)
{
	const struct drop *drop = folder->drop;
	struct drop_owner owner = { (uid_t)-1, (gid_t)-1 };
	struct stat info;
	int cur;

	if (open_base(folder, &owner) < 0)
		return -1;
	folder->tmp = folder_make(folder->base, "tmp", drop, &owner);
	cur = folder->tmp < 0 ? -1 : folder_make(folder->base, "cur", drop, &owner);
	if (cur < 0)
		return -1;
	close(cur);
	folder->new = folder_make(folder->base, "new", drop, &owner);
	if (folder->new < 0 || fstat(folder->new, &info) < 0)
		return -1;
	folder->device = info.st_dev;
	folder->inode = info.st_ino;
	if (fstat(folder->tmp, &info) < 0)
		return -1;
	folder->give_group = drop->has_group && !(info.st_gid == drop->group && info.st_mode & S_ISGID);
	return 0;
}

/* Whether path/name/new is the directory that we hold.  The path is only compared, nothing is opened by it. */
static bool is_still_there(const struct folder *folder)
{
	struct str path = STR_INIT(65536);
	struct stat info;
	bool same = !str_printf(&path, "%s/%s/new", folder->drop->inside, folder->name.data) && !lstat(path.data, &info) &&
	    info.st_dev == folder->device && info.st_ino == folder->inode;

	str_free(&path);
	return same;
}

static struct folder *find_place(struct folder_cache *cache, const struct drop *drop, struct span name)
{
	struct folder *oldest = NULL;

	for (size_t i = 0; i < FOLDER_CACHE_MAX; i++) {
		struct folder *folder = &cache->folders[i];

		if (folder->drop == drop && span_equal(str_span(&folder->name), name))
			return folder;
		if (!folder->in_use && (!oldest || (oldest->drop && (!folder->drop || folder->used < oldest->used))))
			oldest = folder;
	}
	if (!oldest)
		return NULL;
	close_folder(oldest);
	return str_set(&oldest->name, name) < 0 ? NULL : oldest;
}

static enum folder_result use_folder(struct folder_cache *cache, struct folder *folder, const struct drop *drop, struct outcome *why)
{
	if (folder->drop && !folder->seen && !is_still_there(folder)) {
		if (folder->in_use)
			return FOLDER_BUSY;	/* files of this batch lie in the old one */
		close_folder(folder);
	}
	if (!folder->drop) {
		folder->drop = drop;
		folder->dirty = false;
		folder->sync_error = 0;
		if (open_folder(folder) < 0) {
			struct str what = STR_INIT(1024);
			int error = errno;

			str_printf(&what, "%s/%s", drop->path, folder->name.data);
			deliver_job_trouble(why, error, what.data);
			str_free(&what);
			close_folder(folder);
			return FOLDER_FAILED;
		}
	}
	folder->in_use = folder->seen = true;
	folder->used = ++cache->count;
	return FOLDER_OPEN;
}

enum folder_result folder_get(struct folder_cache *cache, const struct drop *drop, struct span target, struct folder **folder, struct outcome *why)
{
	struct str name = STR_INIT(256);
	enum folder_result result = FOLDER_FAILED;

	if (drop->folder && str_add_char(&name, '.') < 0)
		deliver_job_trouble(why, ENOMEM, drop->name);
	else if (!drop_folder(drop, target, &name, why)) {
		*folder = find_place(cache, drop, str_span(&name));
		result = *folder ? use_folder(cache, *folder, drop, why) : FOLDER_BUSY;
	}
	str_free(&name);
	return result;
}

size_t folder_dirty(struct folder_cache *cache, struct folder *folders[static FOLDER_CACHE_MAX])
{
	size_t count = 0;

	for (size_t i = 0; i < FOLDER_CACHE_MAX; i++)
		if (cache->folders[i].dirty)
			folders[count++] = &cache->folders[i];
	return count;
}

void folder_release(struct folder_cache *cache)
{
	for (size_t i = 0; i < FOLDER_CACHE_MAX; i++) {
		struct folder *folder = &cache->folders[i];

		folder->in_use = folder->dirty;
		folder->seen = false;
		folder->sync_error = 0;
	}
}

bool folder_sweep(struct folder_cache *cache)
{
	bool left = false;

	for (size_t i = 0; i < FOLDER_CACHE_MAX; i++) {
		struct folder *folder = &cache->folders[i];

		if (folder->drop && !folder->in_use && folder->used <= cache->swept)
			close_folder(folder);
		left |= folder->drop != NULL;
	}
	cache->swept = cache->count;
	return left;
}
