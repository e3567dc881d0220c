/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"

#define PENDING_MAX (64U * 1024 * 1024)
#define FIRST_BUCKETS 256

int
files_init(struct files *fs, const struct spool *spool)
{
	*fs = (struct files){ .spool = spool, .bucket_count = FIRST_BUCKETS };
	list_init(&fs->order);
	list_init(&fs->ready);
	list_init(&fs->recent);
	fs->buckets = calloc(FIRST_BUCKETS, sizeof(struct file *));
	return fs->buckets != NULL ? 0 : -1;
}

static struct file **
bucket(const struct files *fs, struct id_name name)
{
	return &fs->buckets[(name.random ^ name.usec) & (fs->bucket_count - 1)];
}

static void
grow(struct files *fs)
{
	struct file **old = fs->buckets, **new;
	size_t count = fs->bucket_count;

	if (fs->count < count || (new = calloc(count * 2, sizeof(struct file *))) == NULL)
		return;
	fs->buckets = new;
	fs->bucket_count = count * 2;
	for (size_t i = 0; i < count; i++)
		for (struct file *f = old[i], *next; f != NULL; f = next) {
			struct file **place = bucket(fs, f->name);

			next = f->chain;
			f->chain = *place;
			*place = f;
		}
	free(old);
}

struct file *
files_find(const struct files *fs, struct id_name name)
{
	struct file *f = *bucket(fs, name);

	while (f != NULL && id_compare_names(f->name, name) != 0)
		f = f->chain;
	return f;
}

struct file *
files_get(struct files *fs, struct id_name name, uint64_t now)
{
	struct file *f = files_find(fs, name), **place;
	struct list *before;

	if (f != NULL)
		return f;
	f = calloc(1, sizeof(*f));
	if (f == NULL)
		return NULL;
	grow(fs);
	f->name = name;
	id_name_text(name, f->text);
	f->fd = f->outcome_fd = -1;
	f->seen = now;
	f->move_due = UINT64_MAX;
	f->pending = (struct str)STR_INIT(PENDING_MAX);
	list_init(&f->ready);
	list_init(&f->recent);
	list_init(&f->dirty);
	list_init(&f->unsynced);
	list_init(&f->leaving);
	list_init(&f->done);
	place = bucket(fs, name);
	f->chain = *place;
	*place = f;
	fs->count++;
	/* New files are nearly always the newest, so the place is looked for from the end. */
	for (before = fs->order.before; before != &fs->order; before = before->before)
		if (id_compare_names(list_owner(before, struct file, order)->name, name) < 0)
			break;
	list_put(before->after, &f->order);
	return f;
}

static void
close_both(struct files *fs, struct file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	if (f->outcome_fd >= 0)
		close(f->outcome_fd);
	f->fd = f->outcome_fd = -1;
	if (!list_empty(&f->recent)) {
		list_remove(&f->recent);
		fs->open--;
	}
}

void
files_drop(struct files *fs, struct file *f)
{
	struct file **place = bucket(fs, f->name);

	while (*place != f)
		place = &(*place)->chain;
	*place = f->chain;
	fs->count--;
	close_both(fs, f);
	list_remove(&f->order);
	list_remove(&f->ready);
	list_remove(&f->dirty);
	list_remove(&f->unsynced);
	list_remove(&f->leaving);
	list_remove(&f->done);
	str_free(&f->pending);
	free(f);
}

void
files_free(struct files *fs)
{
	while (!list_empty(&fs->order))
		files_drop(fs, list_owner(fs->order.after, struct file, order));
	free(fs->buckets);
	fs->buckets = NULL;
}

void
files_ready(struct files *fs, struct file *f)
{
	struct list *before;

	if (!list_empty(&f->ready) || f->read_done || f->foreign)
		return;
	for (before = fs->ready.before; before != &fs->ready; before = before->before)
		if (id_compare_names(list_owner(before, struct file, ready)->name, f->name) < 0)
			break;
	list_put(before->after, &f->ready);
}

struct file *
files_next_ready(const struct files *fs)
{
	return list_empty(&fs->ready) ? NULL : list_owner(fs->ready.after, struct file, ready);
}

/* Marks f as used now.  What was not used for longest loses its descriptors: a later sync through another one covers what was written. */
static void
use(struct files *fs, struct file *f)
{
	if (list_empty(&f->recent))
		fs->open++;
	else
		list_remove(&f->recent);
	list_put(&fs->recent, &f->recent);
	while (fs->open > FILES_OPEN_MAX)
		close_both(fs, list_owner(fs->recent.after, struct file, recent));
}

int
file_open(struct files *fs, struct file *f)
{
	if (f->fd < 0)
		f->fd = openat(fs->spool->dir[SPOOL_JOURNAL], f->text, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (f->fd >= 0)
		use(fs, f);
	return f->fd;
}

/* A line that a crash cut short is closed, so that the next one is whole. */
static int
mend_end(int fd, uint64_t *len)
{
	struct stat st;
	char last;

	if (fstat(fd, &st) < 0)
		return -1;
	*len = (uint64_t)st.st_size;
	if (st.st_size == 0)
		return 0;
	if (pread(fd, &last, 1, st.st_size - 1) != 1)
		return -1;
	if (last == '\n')
		return 0;
	if (write(fd, "\n", 1) != 1)
		return -1;
	*len += 1;
	return 0;
}

int
file_open_outcomes(struct files *fs, struct file *f, bool create)
{
	if (f->outcome_fd < 0) {
		int fd = openat(fs->spool->dir[SPOOL_OUTCOME], f->text,
		    O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | (create ? O_CREAT : 0), 0660);

		if (fd < 0)
			return -1;
		/* Lines of our own that are half written go on where they broke off; only those of a process before are mended. */
		if (!f->mended && mend_end(fd, &f->outcome_len) < 0) {
			int saved = errno;

			close(fd);
			errno = saved;
			return -1;
		}
		f->mended = true;
		f->outcome_fd = fd;
	}
	use(fs, f);
	return f->outcome_fd;
}

void
file_close_outcomes(struct file *f)
{
	if (f->outcome_fd >= 0)
		close(f->outcome_fd);
	f->outcome_fd = -1;
}

int
file_is_locked(struct files *fs, struct file *f)
{
	int fd = file_open(fs, f);

	if (fd < 0)
		return -1;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		flock(fd, LOCK_UN);
		return 0;
	}
	return errno == EWOULDBLOCK ? 1 : -1;
}

struct span
file_name(const struct file *f)
{
	return (struct span){ f->text, ID_NAME_LEN };
}

void
file_list(struct file *f, struct entry *e)
{
	if ((e->flags & ENTRY_LISTED) != 0)
		return;
	e->flags |= ENTRY_LISTED;
	e->link = f->entries;
	f->entries = e;
}

void
file_sweep(struct file *f, struct table *t)
{
	struct entry **place = &f->entries;

	while (*place != NULL) {
		struct entry *e = *place;

		if ((e->flags & ENTRY_GONE) == 0) {
			place = &e->link;
			continue;
		}
		*place = e->link;
		e->link = NULL;
		e->flags = (uint16_t)(e->flags & ~ENTRY_LISTED);
		table_drop(t, e);
	}
}
