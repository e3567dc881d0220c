/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The names of control sockets in the file system: binding and connecting. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "ctrl.h"

#define BACKLOG 1024

static void close_quietly(int fd)
{
	int saved = errno;

	if (fd >= 0)
		close(fd);
	errno = saved;
}

/* A path that is too long for an address goes by way of its directory: *directory is then to be closed after the use */
static int long_address(const char *path, struct sockaddr_un *address, int *directory)
{
	const char *slash = strrchr(path, '/');
	char *parent;
	int n;

	if (slash == NULL || slash == path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	parent = strndup(path, (size_t)(slash - path));
	if (parent == NULL)
		return -1;
	*directory = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	free(parent);
	if (*directory < 0)
		return -1;
	n = snprintf(address->sun_path, sizeof(address->sun_path), "/proc/self/fd/%d/%s", *directory, slash + 1);
	/* in a chroot there is no /proc, and the reason is still the length */
	if (n < 0 || (size_t)n >= sizeof(address->sun_path) || access("/proc/self/fd", X_OK) < 0) {
		close(*directory);
		*directory = -1;
		errno = ENAMETOOLONG;
		return -1;
	}
	return 0;
}

static int make_address(const char *path, struct sockaddr_un *address, int *directory)
{
	size_t len = strlen(path);

	*directory = -1;
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (len == 0) {
		/* the kernel would take it for a request of an abstract name */
		errno = ENOENT;
		return -1;
	}
	if (len >= sizeof(address->sun_path))
		return long_address(path, address, directory);
	memcpy(address->sun_path, path, len);
	return 0;
}

static int take_lock(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);

	if (fd < 0)
		return -1;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK)
			errno = EBUSY;
		close_quietly(fd);
		return -1;
	}
	return fd;
}

/* Nobody but a socket may be replaced, be it a stale one */
static int only_a_socket(const char *path)
{
	struct stat status;

	if (lstat(path, &status) < 0)
		return errno == ENOENT ? 0 : -1;
	if (S_ISSOCK(status.st_mode))
		return 0;
	errno = EEXIST;
	return -1;
}

static int bind_name(int fd, const char *path)
{
	struct sockaddr_un address;
	int directory, result;

	if (only_a_socket(path) < 0 || (unlink(path) < 0 && errno != ENOENT))
		return -1;
	if (make_address(path, &address, &directory) < 0)
		return -1;
	result = bind(fd, (const struct sockaddr *)&address, sizeof(address));
	close_quietly(directory);
	return result;
}

/* Access is set before anybody can connect: without a listen() the kernel refuses.  The owner first, for chown may clear mode bits. */
static int open_to(const char *path, mode_t mode, uid_t uid, gid_t gid)
{
	if ((uid != (uid_t)-1 || gid != (gid_t)-1) && lchown(path, uid, gid) < 0)
		return -1;
	return chmod(path, mode);
}

static int bind_beside(const char *path, const char *beside, mode_t mode, uid_t uid, gid_t gid)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (only_a_socket(path) < 0 || bind_name(fd, beside) < 0) {
		close_quietly(fd);
		return -1;
	}
	if (open_to(beside, mode, uid, gid) < 0 || listen(fd, BACKLOG) < 0 || rename(beside, path) < 0) {
		int saved = errno;

		(void)unlink(beside);
		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

int ctrl_bind(const char *path, mode_t mode, uid_t uid, gid_t gid, int *fd, int *lock_fd)
{
	struct str lock = STR_INIT(4096), beside = STR_INIT(4096);
	int result = -1, saved;

	*fd = *lock_fd = -1;
	if (str_printf(&lock, "%s.lock", path) < 0 || str_printf(&beside, "%s.new", path) < 0)
		goto out;
	*lock_fd = take_lock(lock.data);
	if (*lock_fd < 0)
		goto out;
	*fd = bind_beside(path, beside.data, mode, uid, gid);
	if (*fd < 0) {
		close_quietly(*lock_fd);
		*lock_fd = -1;
		goto out;
	}
	result = 0;
out:
	saved = errno;
	str_free(&lock);
	str_free(&beside);
	errno = saved;
	return result;
}

int ctrl_connect(const char *path)
{
	struct sockaddr_un address;
	int directory, fd, result;

	if (make_address(path, &address, &directory) < 0)
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		close_quietly(directory);
		return -1;
	}
	do
		result = connect(fd, (const struct sockaddr *)&address, sizeof(address));
	while (result < 0 && errno == EINTR);
	close_quietly(directory);
	if (result == 0)
		return fd;
	close_quietly(fd);
	return -1;
}
