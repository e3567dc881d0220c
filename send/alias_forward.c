/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Users' own files: forward DIR.  They are read before the jail, as root, and hold what a user wrote: nothing in them may keep send from starting. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "address.h"
#include "alias_internal.h"
#include "text.h"

#define FORWARD_MAX 4096		/* bytes of a user's file */
#define VALUES_MAX 32
#define USERS_MAX 10000

struct forwarding {
	struct alias_table *table;
	const char *dir, *file;		/* the file: DIR/NAME */
	unsigned line;
	const struct alias_drops *drops;
	struct str *notes;
};

/* Says what is wrong with a user's file. */
static int
note(struct forwarding *f, const char *what)
{
	str_add(f->notes, f->file);
	if (f->line > 0)
		str_printf(f->notes, ":%u", f->line);
	str_printf(f->notes, ": %s; the file is passed over\n", what);
	return -1;
}

/* Opens what the user of that name, or root, keeps there, and nobody else can write to.  A descriptor, or -1: there is none, or it is noted. */
static int
open_own(struct forwarding *f, int dir, const char *name)
{
	const struct passwd *user = getpwnam(name);
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return note(f, strerror(errno));
	if (user == NULL)
		note(f, "no user has that name");
	else if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		note(f, "expected a plain file");
	else if (st.st_uid != 0 && st.st_uid != user->pw_uid)
		note(f, "expected a file of the user's own");
	else if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		note(f, "expected a file that nobody else may write to");
	else if (st.st_size > FORWARD_MAX)
		note(f, "expected at most 4096 bytes");
	else
		return fd;
	close(fd);
	return -1;
}

/* 0, or -1: it is noted. */
static int
read_own(struct forwarding *f, int dir, const char *name, struct str *text)
{
	int fd = open_own(f, dir, name);
	ssize_t n = -1;

	if (fd < 0)
		return -1;
	if (str_reserve(text, FORWARD_MAX) == 0)
		n = pread(fd, text->data, FORWARD_MAX, 0);
	close(fd);
	if (n < 0)
		return note(f, strerror(errno));
	text->len = (size_t)n;
	text->data[n] = '\0';
	return 0;
}

/* One of the drops that users may name, or a folder below it. */
static bool
is_allowed(const struct forwarding *f, struct span text)
{
	for (size_t i = 0; i < f->drops->count; i++) {
		struct span drop = str_span(&f->drops->all[i]), rest = text, part;

		if (text.len < drop.len || memcmp(text.data, drop.data, drop.len) != 0)
			continue;
		rest = span_skip(rest, drop.len);
		if (rest.len == 0)
			return true;
		if (rest.data[0] != '/' || rest.len == 1 || rest.data[rest.len - 1] == '/')
			continue;
		for (rest = span_skip(rest, 1); span_word(&rest, '/', &part);)
			if (part.len == 0 || part.data[0] == '.' || part.data[0] == '-')
				return false;
		return true;
	}
	return false;
}

static int
take_value(struct forwarding *f, struct alias *a, struct span text)
{
	struct alias_value *v = &a->values[a->count];
	struct str plain = STR_INIT(ENVELOPE_ADDRESS_MAX);
	struct span rest = text;
	struct address address;
	int result = -1;

	*v = (struct alias_value){ .kind = text.data[0] == '\\' ? ALIAS_PLAIN : ALIAS_ADDRESS, .text = STR_INIT(4096), .file = f->file, .line = f->line };
	if (text_is_clean(text, PLAN_DROP_LEN) && is_allowed(f, text)) {
		v->kind = ALIAS_DROP;
		result = str_add_span(&v->text, text);
	} else {
		rest = span_skip(rest, v->kind == ALIAS_PLAIN);
		/* What looks like a program, a file, a list or a drop is none of a user's. */
		if (memchr(rest.data, ':', rest.len) == NULL && memchr(rest.data, '|', rest.len) == NULL && memchr(rest.data, '/', rest.len) == NULL
		    && address_next(&rest, &address) == 1 && span_trim(rest).len == 0 && address_plain(&plain, address.spec) == 0
		    && address_is_valid(str_span(&plain), true))
			result = str_add_span(&v->text, str_span(&plain));
	}
	str_free(&plain);
	a->count += result == 0;
	return result;
}

/* An address, a local name or a drop a line. */
static int
take_values(struct forwarding *f, struct alias *a, struct span text)
{
	struct span line;

	while (span_word(&text, '\n', &line)) {
		f->line++;
		line = span_trim(line);
		if (line.len == 0 || line.data[0] == '#')
			continue;
		if (a->count == VALUES_MAX)
			return note(f, "expected at most 32 lines");
		if (take_value(f, a, line) < 0)
			return note(f, "expected an address, a local name, or a drop that forward allows");
	}
	f->line = 0;
	return a->count > 0 ? 0 : note(f, "expected an address");
}

static void
drop_alias(struct alias *a)
{
	for (size_t i = 0; i < a->count; i++)
		str_free(&a->values[i].text);
	free(a->values);
	str_free(&a->name);
}

/* One user's file.  0, with a note where it is passed over; -1: no memory. */
static int
take_user(struct forwarding *f, int dir, struct span name)
{
	struct alias a = { .name = STR_INIT(256), .values = calloc(VALUES_MAX, sizeof(*a.values)) }, *grown;
	struct str text = STR_INIT(2 * FORWARD_MAX), path = STR_INIT(8192);
	struct span kept;
	int result = -1;

	f->line = 0;
	if (a.values == NULL || str_add_span(&a.name, name) < 0 || str_printf(&path, "%s/%s", f->dir, a.name.data) < 0
	    || (f->file = a.file = alias_keep_file(f->table, path.data)) == NULL)
		goto done;
	result = 0;
	/* An earlier configuration's was looked at in its time. */
	if (inputs_again(f->table->inputs) ? !inputs_find(f->table->inputs, "forward", path.data, &kept) || str_add_span(&text, kept) < 0
	    : read_own(f, dir, a.name.data, &text) < 0 || take_values(f, &a, str_span(&text)) < 0)
		goto done;
	if (inputs_again(f->table->inputs) && take_values(f, &a, str_span(&text)) < 0)
		goto done;
	grown = inputs_keep(f->table->inputs, "forward", path.data, str_span(&text)) < 0 ? NULL : realloc(f->table->all, (f->table->count + 1) * sizeof(a));
	result = grown != NULL ? 0 : -1;
	if (grown != NULL) {
		f->table->all = grown;
		grown[f->table->count++] = a;
		a = (struct alias){ .name = STR_INIT(0) };
	}
done:
	drop_alias(&a);
	str_free(&text);
	str_free(&path);
	return result;
}

/* Local names of users, as a file may be called. */
static bool
is_name(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_.-");

	return len > 0 && len < 64 && name[len] == '\0' && name[0] != '.' && name[0] != '-';
}

/* The names of the directory's files, a line each. */
static int
list_users(DIR *stream, struct str *names)
{
	const struct dirent *d;
	size_t count = 0;

	while ((d = readdir(stream)) != NULL)
		if (is_name(d->d_name) && count++ < USERS_MAX && (str_add(names, d->d_name) < 0 || str_add_char(names, '\n') < 0))
			return -1;
	return 0;
}

static int
open_dir(const char *dir, struct str *error)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		str_printf(error, "%s: %s", dir, strerror(errno));
	else if ((st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		str_printf(error, "%s: expected a directory of root's that nobody else may write to", dir);
	else
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static int
take_users(struct forwarding *f, int dir, struct span names)
{
	const size_t count = f->table->count;
	struct span name;
	int result = 0;

	while (result == 0 && span_word(&names, '\n', &name)) {
		const struct alias_table before = { .all = f->table->all, .count = count };

		/* The administrator's aliases go first. */
		if (alias_find(&before, name) == NULL)
			result = take_user(f, dir, name);
	}
	alias_sort(f->table);
	return result;
}

int
alias_table_forward(struct alias_table *table, const char *dir, const struct alias_drops *drops, struct str *notes, struct str *error)
{
	struct forwarding f = { .table = table, .dir = dir, .drops = drops, .notes = notes };
	struct str names = STR_INIT(1024 * 1024);
	int fd = -1, result = -1;
	struct span kept;
	DIR *stream;

	if (inputs_again(table->inputs)) {
		result = inputs_find(table->inputs, "forwards", dir, &kept) && str_add_span(&names, kept) == 0 ? 0 : -1;
	} else if ((fd = open_dir(dir, error)) >= 0) {
		stream = fdopendir(dup(fd));
		if (stream != NULL && list_users(stream, &names) == 0)
			result = inputs_keep(table->inputs, "forwards", dir, str_span(&names));
		if (stream != NULL)
			closedir(stream);
	}
	if (result == 0)
		result = take_users(&f, fd, str_span(&names));
	if (result < 0 && error->len == 0)
		str_printf(error, "%s: it cannot be read", dir);
	if (fd >= 0)
		close(fd);
	str_free(&names);
	return result;
}
