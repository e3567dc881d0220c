/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Hands messages to a deliverer as send does, 2048 at a time, and prints the seconds until the last is answered: imap_feed SOCKET DROP FILE COUNT.  Each job is the message in
 * FILE with a Received field of its own before it; large ones go as a descriptor.  Exit status 1 if any answer was not K.
 */
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "clock.h"
#include "ctrl.h"
#include "id.h"

#define WINDOW 2048
#define WINDOW_LARGE 64		/* more descriptors do not wait in a socket */
#define INLINE_MAX 61440

struct feed {
	struct loop *loop;
	struct ctrl *c;
	const char *drop;
	int fd;
	uint64_t size, begun;
	char head[INLINE_MAX];
	size_t head_len;
	unsigned long wanted, sent, answered, refused;
	struct id_name name;
	struct str body;
};

/* False: the descriptor must wait. */
static bool send_rest(struct feed *feed)
{
	char value[64];

	if (feed->size <= feed->head_len)
		return true;
	snprintf(value, sizeof value, "%zu %" PRIu64, feed->head_len, feed->size - feed->head_len);
	return !ctrl_send_fd(feed->c, 'F', span_of(value), dup(feed->fd));
}

static void send_one(struct feed *feed)
{
	struct id id = { .name = feed->name, .index = (uint32_t)feed->sent };
	char text[ID_TEXT_MAX];
	struct str *body = &feed->body;

	id_text(id, text);
	str_cut(body, 0);
	ctrl_printf(feed->c, 'J', "%s-0-%016llx", text, 7ULL);
	ctrl_send(feed->c, 'D', span_of(feed->drop));
	ctrl_send(feed->c, 'S', span_of("root"));
	ctrl_printf(feed->c, 'A', "arrival=%" PRIu64, clock_wall());
	ctrl_send(feed->c, 'R', span_of("frank"));
	str_printf(body, "Received: by host (uid 0)\n\tid %s;\n\tSat, 21 Nov 2026 06:00:51 +0000\n", text);
	if (str_append(body, feed->head, feed->head_len) < 0)
		err(EX_OSERR, "memory");
	ctrl_send(feed->c, 'B', str_span(body));
	if (!send_rest(feed))
		err(EX_OSERR, "sending a descriptor");
	ctrl_send(feed->c, 'E', span_of(""));
	feed->sent++;
}

static void fill(struct feed *feed)
{
	unsigned long window = feed->size > INLINE_MAX / 2 ? WINDOW_LARGE : WINDOW;

	while (feed->sent < feed->wanted && feed->sent - feed->answered < window)
		send_one(feed);
}

static const char *frame(void *arg, struct ctrl *c, struct frame f)
{
	struct feed *feed = arg;

	(void)c;
	if (f.type != 'K' && feed->refused++ == 0)
		warnx("refused: %.*s", (int)f.value.len, f.value.data);
	if (++feed->answered == feed->wanted)
		loop_stop(feed->loop);
	return NULL;
}

static void idle(void *arg, struct ctrl *c)
{
	(void)c;
	fill(arg);
}

static void closed(void *arg, struct ctrl *c, const char *why, bool broken)
{
	(void)arg;
	(void)c;
	(void)broken;
	errx(EX_PROTOCOL, "connection lost: %s", why);
}

static void open_message(struct feed *feed, const char *path)
{
	struct stat info;
	ssize_t got;

	feed->fd = open(path, O_RDONLY);
	if (feed->fd < 0 || fstat(feed->fd, &info) < 0)
		err(EX_NOINPUT, "%s", path);
	feed->size = (uint64_t)info.st_size;
	got = pread(feed->fd, feed->head, feed->size > INLINE_MAX / 2 ? 4096 : INLINE_MAX / 2, 0);
	if (got <= 0)
		err(EX_NOINPUT, "%s", path);
	feed->head_len = (size_t)got;
}

int main(int argc, char **argv)
{
	static const struct ctrl_ops ops = { .frame = frame, .closed = closed, .idle = idle };
	static struct feed feed;
	struct ctrl_hub *hub;
	int fd;

	if (argc != 5)
		errx(EX_USAGE, "usage: imap_feed SOCKET DROP FILE COUNT");
	feed.drop = argv[2];
	feed.body = (struct str)STR_INIT(65535);
	feed.wanted = strtoul(argv[4], NULL, 10);
	feed.loop = loop_new();
	hub = feed.loop ? ctrl_hub_new(feed.loop, "feed", 64U << 20) : NULL;
	if (!hub || id_new_name(0, &feed.name) < 0)
		err(EX_OSERR, "start");
	open_message(&feed, argv[3]);
	fd = ctrl_connect(argv[1]);
	feed.begun = clock_boot();
	feed.c = fd < 0 ? NULL : ctrl_new(hub, fd, &ops, &feed);
	if (!feed.c)
		err(EX_UNAVAILABLE, "%s", argv[1]);
	fill(&feed);
	if (loop_run(feed.loop) < 0)
		err(EX_OSERR, "loop");
	printf("%.3f\n", (double)(clock_boot() - feed.begun) / CLOCK_SECOND);
	return feed.refused != 0;
}
