/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How many frames a control connection moves: a client pipelines requests, a server in a child answers each, both with the
 * library's loop.
 * usage: ctrl_ping [frames [bytes of a request's value]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "ctrl.h"

struct bench {
	struct loop *loop;
	struct ctrl *c;
	unsigned long wanted, sent, answered;
	struct span value;
};

static const char *answer(void *arg, struct ctrl *c, struct frame frame)
{
	(void)arg;
	(void)frame;
	return ctrl_send(c, 'K', span_of("1763712345123456-9f8e7d6c5b4a3921-0")) < 0 ? "cannot answer" : NULL;
}

static const char *count(void *arg, struct ctrl *c, struct frame frame)
{
	struct bench *b = arg;

	(void)frame;
	if (++b->answered == b->wanted)
		ctrl_close(c);
	return NULL;
}

static void closed(void *arg, struct ctrl *c, const char *why, bool broken)
{
	struct bench *b = arg;

	(void)c;
	if (broken)
		fprintf(stderr, "ctrl_ping: %s\n", why);
	loop_stop(b->loop);
}

/* At most 256 requests are on their way, like a stage that hands out a bounded number of jobs */
static bool send_more(void *arg)
{
	struct bench *b = arg;

	while (b->sent < b->wanted && b->sent - b->answered < 256 && ctrl_unsent(b->c) < CTRL_OUT_PAUSE) {
		if (ctrl_send(b->c, 'M', b->value) < 0)
			return false;
		b->sent++;
	}
	return false;
}

static const struct ctrl_ops server_ops = { .frame = answer, .closed = closed, .refuse_fds = true };
static const struct ctrl_ops client_ops = { .frame = count, .closed = closed, .refuse_fds = true };

static int serve(struct bench *b, int fd, const struct ctrl_ops *ops, bool client)
{
	struct ctrl_hub *hub;
	int result = -1;

	b->loop = loop_new();
	hub = b->loop != NULL ? ctrl_hub_new(b->loop, "bench", 16U << 20) : NULL;
	b->c = hub != NULL ? ctrl_new(hub, fd, ops, b) : NULL;
	if (b->c != NULL && (!client || loop_turn(b->loop, send_more, b) == 0))
		result = loop_run(b->loop);
	ctrl_hub_free(hub);
	loop_free(b->loop);
	return result;
}

int main(int argc, char **argv)
{
	struct bench b = { .wanted = argc > 1 ? strtoul(argv[1], NULL, 10) : 200000 };
	size_t bytes = argc > 2 ? strtoul(argv[2], NULL, 10) : 100;
	char *value;
	uint64_t start;
	double seconds;
	int pair[2];
	pid_t child;

	if (bytes >= FRAME_MAX || (value = malloc(bytes + 1)) == NULL || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		return 1;
	memset(value, 'x', bytes);
	b.value = (struct span){ value, bytes };
	start = clock_boot();
	child = fork();
	if (child < 0)
		return 1;
	if (child == 0) {
		close(pair[0]);
		_exit(serve(&b, pair[1], &server_ops, false) < 0);
	}
	close(pair[1]);
	if (serve(&b, pair[0], &client_ops, true) < 0)
		return 1;
	seconds = (double)(clock_boot() - start) / CLOCK_SECOND;
	waitpid(child, NULL, 0);
	free(value);
	printf("%lu frames of %zu bytes in %.3f s: %.0f a second\n", b.answered, bytes, seconds, (double)b.answered / seconds);
	return b.answered != b.wanted;
}
