/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "limits.h"

#include <stdlib.h>
#include <sys/statvfs.h>

#include "clock.h"
#include "conf.h"

#define MEBIBYTE (UINT64_C(1024) * 1024)
#define CHECK_EVERY (CLOCK_SECOND / 10)

void limits_init(struct limits *limits)
{
	*limits = (struct limits){
		.size = 50 * MEBIBYTE,
		.recipients = 1000,
		.connections = 1000,
		.min_free = 16 * MEBIBYTE,
		.idle_close = 50000,
		.key_hold = 120 * CLOCK_SECOND,
		.buffer = 32 * MEBIBYTE,
	};
}

static int parse_bytes(const char *text, uint64_t *value)
{
	return conf_bytes_text(text, value);
}

static int parse_count(const char *text, uint64_t *value)
{
	return span_decimal(span_of(text), UINT32_MAX, value);
}

static int parse_milliseconds(const char *text, uint64_t *value)
{
	if (span_decimal(span_of(text), 3600 * 1000, value))
		return -1;
	*value *= 1000;
	return 0;
}

static const struct {
	const char *name;
	size_t offset;
	int (*parse)(const char *text, uint64_t *value);
	uint64_t least, most;
	const char *expected;
} options[] = {
	{ "limit-size", offsetof(struct limits, size), parse_bytes, 1, UINT64_C(1) << 40, "bytes, as 50M" },
	{ "limit-recipients", offsetof(struct limits, recipients), parse_count, 1, 100000, "a number from 1 to 100000" },
	{ "limit-connections", offsetof(struct limits, connections), parse_count, 8, 100000, "a number from 8 to 100000" },
	{ "min-free", offsetof(struct limits, min_free), parse_bytes, 0, UINT64_C(1) << 60, "bytes, as 16M" },
	{ "idle-close", offsetof(struct limits, idle_close), parse_milliseconds, 1000, 3600 * CLOCK_SECOND, "milliseconds from 1" },
	{ "key-hold", offsetof(struct limits, key_hold), conf_duration_text, CLOCK_SECOND, 86400 * CLOCK_SECOND, "seconds, or 2m, up to a day" },
	{ "buffer", offsetof(struct limits, buffer), parse_bytes, MEBIBYTE, UINT64_C(1) << 40, "bytes from 1M" },
};

int limits_option(struct limits *limits, const char *name, const char *value, struct str *error)
{
	for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
		uint64_t number;

		if (!span_is(span_of(name), options[i].name))
			continue;
		if (options[i].parse(value, &number) || number < options[i].least || number > options[i].most) {
			(void)str_printf(error, "--%s %s: %s expected", name, value, options[i].expected);
			return -1;
		}
		*(uint64_t *)(void *)((char *)limits + options[i].offset) = number;
		return 0;
	}
	return 1;
}

struct limits_user *limits_user_hold(struct limits_users *users, uid_t uid)
{
	struct limits_user *user;

	for (user = users->first; user; user = user->next)
		if (user->uid == uid)
			break;
	if (!user) {
		user = calloc(1, sizeof *user);
		if (!user)
			return NULL;
		user->uid = uid;
		user->next = users->first;
		users->first = user;
	}
	user->holds++;
	return user;
}

void limits_user_release(struct limits_users *users, struct limits_user *user)
{
	struct limits_user **link = &users->first;

	if (--user->holds)
		return;
	while (*link != user)
		link = &(*link)->next;
	*link = user->next;
	free(user);
}

bool limits_user_connect(struct limits_users *users, struct limits_user *user, const struct limits *limits)
{
	if (user->uid != 0) {
		if (users->connections >= limits->connections - limits->connections / 8 || user->connections >= limits->connections / 4)
			return false;
		users->connections++;
	}
	user->connections++;
	return true;
}

void limits_user_disconnect(struct limits_users *users, struct limits_user *user)
{
	user->connections--;
	if (user->uid != 0)
		users->connections--;
}

bool limits_stream_allowed(const struct limits_user *user, unsigned all)
{
	if (user->uid == 0)
		return all < LIMITS_STREAMS;
	return all < LIMITS_STREAMS - LIMITS_STREAMS / 8 && user->streams < LIMITS_STREAMS / 4;
}

void limits_space_init(struct limits_space *space, int fd)
{
	*space = (struct limits_space){ .fd = fd };
}

bool limits_space_allows(struct limits_space *space, const struct limits *limits, uid_t uid, uint64_t size, uint64_t pending, uint64_t now)
{
	uint64_t keep = uid == 0 ? limits->min_free / 2 : limits->min_free;
	struct statvfs fs;

	if (!space->checked || now - space->checked >= CHECK_EVERY || space->taken + size >= MEBIBYTE) {
		/* what cannot be known is taken as full: later, then */
		space->free = fstatvfs(space->fd, &fs) ? 0 : (uint64_t)fs.f_bavail * fs.f_frsize;
		space->checked = now;
		space->taken = 0;
	}
	if (space->free <= keep || space->free - keep <= pending + space->taken + size)
		return false;
	space->taken += size;
	return true;
}
