/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mbox_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "mbox_note.h"

static const char mark[] = "deaddrop-local ";	/* then the length, a blank, when the host was started (microseconds since 1970), a newline */

#define NOTE_LENGTH (sizeof mark - 1 + 20 + 1 + 20 + 1)
#define NOTE_MAX 64
#define NOTHING ((uint64_t)INT64_MAX)	/* the length before any message is written */

static int set_name(struct str *name, const char *file, const char *unique)
{
	str_cut(name, 0);
	return str_printf(name, "%s.lock%s%s", file, unique ? "." : "", unique ? unique : "");
}

int mbox_lock_file(int fd)
{
	struct flock want = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fcntl(fd, F_OFD_SETLK, &want) == 0)
		return 1;
	return errno == EAGAIN || errno == EACCES ? 0 : -1;
}

/* Of one length, so that a later note covers an earlier one. */
int mbox_lock_note(const struct mbox_lock *lock, uint64_t length)
{
	struct str text = STR_INIT(NOTE_MAX);
	int result = 0;

	if (lock->dot < 0)
		return 0;
	if (str_add(&text, mark) < 0 || str_add_decimal(&text, length, 20) < 0 || str_add_char(&text, ' ') < 0 ||
	    str_add_decimal(&text, mbox_note_started(), 20) < 0 || str_add_char(&text, '\n') < 0 ||
	    pwrite(lock->dot, text.data, text.len, 0) != (ssize_t)text.len)
		result = -1;
	str_free(&text);
	return result;
}

/*
 * False: it is not one of ours.  After a power cut the file may be there with what the disk had of it: NULs, or the length before a message
 * that was whole in the end, and answered.  So what was noted before the host was started holds no more, and nothing is cut off by it:
 * after a power cut the note on the file itself tells (mbox_note.h), and where there is none the repeat of the message.
 */
static bool read_note(int fd, uint64_t *length)
{
	static const char lost[NOTE_LENGTH];
	char text[NOTE_MAX];
	const char *numbers = text + sizeof mark - 1;
	ssize_t got = pread(fd, text, sizeof text, 0);
	uint64_t then;

	*length = NOTHING;
	if (got != (ssize_t)NOTE_LENGTH)
		return false;
	if (!memcmp(text, lost, NOTE_LENGTH))
		return true;
	if (memcmp(text, mark, sizeof mark - 1) || span_decimal((struct span){ numbers, 20 }, INT64_MAX, length) ||
	    span_decimal((struct span){ numbers + 21, 20 }, INT64_MAX, &then))
		return false;
	if (!mbox_note_is_this_start(then))
		*length = NOTHING;
	return true;
}

static bool is_still(int directory, const char *name, int fd)
{
	struct stat there, held;

	return !fstat(fd, &held) && !fstatat(directory, name, &there, AT_SYMLINK_NOFOLLOW) && there.st_dev == held.st_dev && there.st_ino == held.st_ino;
}

/* Where anybody may put files a note could be made up, and mail be cut off by it: only what we wrote ourselves is believed. */
static bool is_own(int fd)
{
	struct stat info;

	return !fstat(fd, &info) && S_ISREG(info.st_mode) && info.st_uid == geteuid();
}

static bool is_old(int directory, const char *name)
{
	struct stat info;

	return !fstatat(directory, name, &info, AT_SYMLINK_NOFOLLOW) && info.st_mtime < time(NULL) - MBOX_LOCK_STALE;
}

/* Somebody has the name.  1: it was ours once, and now is again; 0: his; 2: it was stale and is gone. */
static int take_over(struct mbox_lock *lock, const char *name)
{
	int fd = openat(lock->directory, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int result = 0;

	if (fd < 0)
		return errno == ENOENT ? 2 : is_old(lock->directory, name) && !unlinkat(lock->directory, name, 0) ? 2 : 0;
	/* Between the lock and the second look nobody of ours can have changed anything. */
	if (mbox_lock_file(fd) == 1 && is_still(lock->directory, name, fd)) {
		if (is_own(fd) && read_note(fd, &lock->length)) {
			lock->dot = fd;
			lock->recovered = true;
			return 1;
		}
		if (is_old(lock->directory, name) && !unlinkat(lock->directory, name, 0))
			result = 2;
	}
	close(fd);
	return result;
}

/* Written and locked under another name before it gets its own: nobody finds it half made.  Its length is set first, for that comes to the
 * disk with the name, and tells that it is ours. */
static int make(struct mbox_lock *lock, const char *unique, mode_t mode)
{
	int fd;

	unlinkat(lock->directory, unique, 0);		/* what an attempt with the same key left */
	fd = openat(lock->directory, unique, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	lock->dot = fd;
	if (fd < 0)
		return -1;
	if (mbox_lock_file(fd) == 1 && !ftruncate(fd, NOTE_LENGTH) && !mbox_lock_note(lock, NOTHING))
		return 0;
	unlinkat(lock->directory, unique, 0);
	close(fd);
	lock->dot = -1;
	return -1;
}

static int take_name(struct mbox_lock *lock, const char *unique, const char *name)
{
	int result = linkat(lock->directory, unique, lock->directory, name, 0) < 0 ? -1 : 1, error = errno;

	unlinkat(lock->directory, unique, 0);
	if (result < 0) {
		close(lock->dot);
		lock->dot = -1;
	}
	errno = error;
	return result;
}

static int try_once(struct mbox_lock *lock, const char *unique, const char *name, mode_t mode)
{
	struct stat info;

	if (!fstatat(lock->directory, name, &info, AT_SYMLINK_NOFOLLOW))
		return take_over(lock, name);
	if (make(lock, unique, mode) < 0)
		return errno == EACCES || errno == EPERM || errno == EROFS ? 1 : -1;
	if (take_name(lock, unique, name) == 1)
		return 1;
	return errno == EEXIST ? 0 : -1;
}

int mbox_lock_dot(struct mbox_lock *lock, int directory, const char *file, const char *unique, mode_t mode)
{
	struct str name = STR_INIT(512), other = STR_INIT(512);
	int result = -1;

	*lock = (struct mbox_lock){ .directory = directory, .dot = -1 };
	if (!set_name(&name, file, NULL) && !set_name(&other, file, unique)) {
		result = try_once(lock, other.data, name.data, mode);
		if (result == 2)
			result = try_once(lock, other.data, name.data, mode) == 1;
	}
	str_free(&name);
	str_free(&other);
	return result;
}

void mbox_lock_release(struct mbox_lock *lock, const char *file)
{
	struct str name = STR_INIT(512);

	if (lock->dot < 0)
		return;
	if (!set_name(&name, file, NULL) && is_still(lock->directory, name.data, lock->dot))
		unlinkat(lock->directory, name.data, 0);
	close(lock->dot);
	lock->dot = -1;
	str_free(&name);
}
