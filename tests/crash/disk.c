/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A disk that keeps a log, for tests of power cuts: disk IMAGE LOG DIRECTORY
 *
 * Mounts a file system (FUSE) on DIRECTORY with two files. DIRECTORY/disk has the content of IMAGE and is for a loop device; each write to
 * it and each flush (fsync) is appended to LOG. What is written to DIRECTORY/mark is appended to LOG too, so that its place tells what the
 * disk had been given before. Runs until DIRECTORY is unmounted. Needs root.
 *
 * A log entry is four 64-bit numbers in the host's order, and a write's or mark's bytes behind them:
 *   'W' offset length 0      a write
 *   'F' entries 0 0          a flush: that many entries at the log's beginning are on stable storage; what came later may be or not
 *   'M' 0 length 0           a mark
 *
 * A disk may answer what it was asked at the same time in any order, and a flush promises nothing about writes that had not been answered
 * when it was asked for. So all requests that wait are read before any of them is answered, and a flush among them covers what was answered before.
 */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sysexits.h>
#include <unistd.h>

#define LARGEST_WRITE (1U << 20)
#define BUFFER_SIZE (LARGEST_WRITE + 65536)
#define BATCH 64

enum node { ROOT = FUSE_ROOT_ID, DISK, MARK };

struct answer {
	struct fuse_out_header header;
	union {
		struct fuse_init_out init;
		struct fuse_entry_out entry;
		struct fuse_attr_out attr;
		struct fuse_open_out open;
		struct fuse_write_out write;
		struct fuse_statfs_out statfs;
	} body;
	char *data;		/* instead of a body: what was read */
};

struct disk {
	int fuse, image, log;
	uint64_t size;
	uint64_t entries;	/* in the log */
	uint64_t answered;	/* of them, those whose writer has heard */
	struct answer answers[BATCH];
	size_t count;
	char buffer[BUFFER_SIZE];
};

static void log_entry(struct disk *disk, uint64_t kind, uint64_t first, const void *data, size_t length)
{
	uint64_t head[4] = { kind, first, length, 0 };
	struct iovec parts[2] = { { head, sizeof head }, { (void *)(uintptr_t)data, length } };

	if (writev(disk->log, parts, 2) != (ssize_t)(sizeof head + length))
		err(EX_IOERR, "log");
	disk->entries++;
}

static struct fuse_attr attributes(const struct disk *disk, uint64_t node)
{
	return (struct fuse_attr){ .ino = node, .size = node == DISK ? disk->size : 0, .blocks = node == DISK ? disk->size / 512 : 0,
		.mode = node == ROOT ? S_IFDIR | 0755 : S_IFREG | 0600, .nlink = 1, .blksize = 4096 };
}

static int do_lookup(struct disk *disk, const char *name, struct answer *a)
{
	uint64_t node = strcmp(name, "disk") == 0 ? DISK : strcmp(name, "mark") == 0 ? MARK : 0;

	if (node == 0)
		return -ENOENT;
	a->body.entry = (struct fuse_entry_out){ .nodeid = node, .entry_valid = 3600, .attr_valid = 3600, .attr = attributes(disk, node) };
	return sizeof a->body.entry;
}

static int do_read(struct disk *disk, uint64_t node, const struct fuse_read_in *in, struct answer *a)
{
	ssize_t n;

	if (node != DISK)
		return 0;
	a->data = malloc(in->size);
	if (a->data == NULL)
		return -ENOMEM;
	n = pread(disk->image, a->data, in->size, (off_t)in->offset);
	return n < 0 ? -errno : (int)n;
}

static int do_write(struct disk *disk, uint64_t node, const struct fuse_write_in *in, struct answer *a)
{
	const char *data = (const char *)(in + 1);

	if (node == DISK) {
		if (pwrite(disk->image, data, in->size, (off_t)in->offset) != (ssize_t)in->size)
			return -EIO;
		log_entry(disk, 'W', in->offset, data, in->size);
	} else {
		log_entry(disk, 'M', 0, data, in->size);
	}
	a->body.write = (struct fuse_write_out){ .size = in->size };
	return sizeof a->body.write;
}

static int do_init(const struct fuse_init_in *in, struct answer *a)
{
	a->body.init = (struct fuse_init_out){ .major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION,
		.flags = in->flags & (FUSE_BIG_WRITES | FUSE_MAX_PAGES | FUSE_ASYNC_READ | FUSE_ASYNC_DIO), .max_background = BATCH,
		.congestion_threshold = BATCH, .max_write = LARGEST_WRITE, .time_gran = 1, .max_pages = LARGEST_WRITE / 4096 };
	return sizeof a->body.init;
}

/* The length of the answer's body, or -errno. */
static int do_request(struct disk *disk, const struct fuse_in_header *in, struct answer *a)
{
	const void *body = in + 1;

	switch (in->opcode) {
	case FUSE_INIT:
		return do_init(body, a);
	case FUSE_LOOKUP:
		return do_lookup(disk, body, a);
	case FUSE_GETATTR:
	case FUSE_SETATTR:
		a->body.attr = (struct fuse_attr_out){ .attr_valid = 3600, .attr = attributes(disk, in->nodeid) };
		return sizeof a->body.attr;
	case FUSE_OPEN:
		a->body.open = (struct fuse_open_out){ .open_flags = FOPEN_DIRECT_IO };
		return sizeof a->body.open;
	case FUSE_READ:
		return do_read(disk, in->nodeid, body, a);
	case FUSE_WRITE:
		return do_write(disk, in->nodeid, body, a);
	case FUSE_FSYNC:
		log_entry(disk, 'F', disk->answered, NULL, 0);
		return 0;
	case FUSE_STATFS:
		a->body.statfs = (struct fuse_statfs_out){ .st = { .bsize = 4096, .frsize = 4096, .namelen = 255 } };
		return sizeof a->body.statfs;
	case FUSE_FLUSH:
	case FUSE_RELEASE:
	case FUSE_ACCESS:
		return 0;
	default:
		return -ENOSYS;
	}
}

static void answer_all(struct disk *disk)
{
	for (size_t i = 0; i < disk->count; i++) {
		struct answer *a = &disk->answers[i];
		struct iovec parts[2] = { { &a->header, sizeof a->header }, { a->data != NULL ? (void *)a->data : &a->body, a->header.len - sizeof a->header } };

		/* ENOENT: the asker was interrupted and is gone */
		if (writev(disk->fuse, parts, 2) < 0 && errno != ENOENT)
			err(EX_OSERR, "answer");
		free(a->data);
	}
	disk->count = 0;
	disk->answered = disk->entries;
}

static void take(struct disk *disk)
{
	const struct fuse_in_header *in = (const struct fuse_in_header *)(const void *)disk->buffer;
	struct answer *a = &disk->answers[disk->count];
	int result;

	if (in->opcode == FUSE_FORGET || in->opcode == FUSE_BATCH_FORGET || in->opcode == FUSE_INTERRUPT)
		return;
	memset(a, 0, sizeof *a);
	result = do_request(disk, in, a);
	a->header.unique = in->unique;
	a->header.error = result < 0 ? result : 0;
	a->header.len = (uint32_t)(sizeof a->header + (result > 0 ? (size_t)result : 0));
	disk->count++;
}

static void serve(struct disk *disk)
{
	for (;;) {
		struct pollfd wait = { .fd = disk->fuse, .events = POLLIN };
		ssize_t n = disk->count < BATCH ? read(disk->fuse, disk->buffer, sizeof disk->buffer) : 0;

		if (n > 0)
			take(disk);
		else if (n < 0 && errno == ENODEV)
			return;
		else if (n < 0 && errno != EAGAIN && errno != EINTR && errno != ENOENT)
			err(EX_OSERR, "/dev/fuse");
		else if (disk->count > 0)
			answer_all(disk);
		else
			poll(&wait, 1, -1);
	}
}

static void mount_it(struct disk *disk, const char *directory)
{
	char options[80];

	disk->fuse = open("/dev/fuse", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (disk->fuse < 0)
		err(EX_UNAVAILABLE, "/dev/fuse");
	snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0", disk->fuse);
	if (mount("disk", directory, "fuse.disk", MS_NOSUID | MS_NODEV, options) != 0)
		err(EX_UNAVAILABLE, "%s", directory);
}

int main(int argc, char **argv)
{
	struct disk *disk = calloc(1, sizeof *disk);
	struct stat st;

	if (argc != 4)
		errx(EX_USAGE, "usage: disk IMAGE LOG DIRECTORY");
	if (disk == NULL)
		err(EX_OSERR, "memory");
	disk->image = open(argv[1], O_RDWR | O_CLOEXEC);
	if (disk->image < 0 || fstat(disk->image, &st) != 0)
		err(EX_NOINPUT, "%s", argv[1]);
	disk->size = (uint64_t)st.st_size;
	disk->log = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (disk->log < 0)
		err(EX_CANTCREAT, "%s", argv[2]);
	mount_it(disk, argv[3]);
	serve(disk);
	free(disk);
	return 0;
}
