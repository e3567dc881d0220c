/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Hands messages to a queue over several connections at once and prints how many a second it made durable:
 * submit_many SOCKET CONNECTIONS MESSAGES BYTES.  Each connection waits for an answer before it sends its next message, as SMTP clients do.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "clock.h"
#include "ctrl.h"
#include "id.h"

struct bench {
	struct loop *loop;
	struct ctrl_hub *hub;
	struct str body;
	unsigned long left, wanted, answered, refused;
};

static void send_one(struct bench *bench, struct ctrl *c)
{
	uint64_t key[2];

	if (bench->left == 0)
		return;
	bench->left--;
	if (id_random(key, sizeof key) != 0)
		err(EX_OSERR, "random");
	ctrl_printf(c, 'M', "%016llx%016llx", (unsigned long long)key[0], (unsigned long long)key[1]);
	ctrl_send(c, 'S', span_of("sender@example.org"));
	ctrl_send(c, 'R', span_of("reader@example.org"));
	for (struct span rest = str_span(&bench->body); rest.len > 0; rest = span_skip(rest, 32768))
		ctrl_send(c, 'B', (struct span){ rest.data, rest.len < 32768 ? rest.len : 32768 });
	ctrl_send(c, 'E', span_of(""));
}

static const char *frame(void *arg, struct ctrl *c, struct frame f)
{
	struct bench *bench = arg;

	if (f.type != 'K')
		bench->refused++;
	if (++bench->answered == bench->wanted)
		loop_stop(bench->loop);
	send_one(bench, c);
	return NULL;
}

static void closed(void *arg, struct ctrl *c, const char *why, bool broken)
{
	(void)arg;
	(void)c;
	(void)broken;
	errx(EX_PROTOCOL, "connection lost: %s", why);
}

static const struct ctrl_ops ops = { .frame = frame, .closed = closed };

static void fill(struct str *body, size_t bytes)
{
	if (str_add(body, "From: sender@example.org\nTo: reader@example.org\nSubject: a message of a benchmark\n\n") != 0)
		err(EX_OSERR, "memory");
	while (body->len < bytes)
		if (str_add(body, "Twelve bytes and some more words that make a line of ordinary text.\n") != 0)
			err(EX_OSERR, "memory");
	str_cut(body, bytes);
}

int main(int argc, char **argv)
{
	struct bench bench = { .body = STR_INIT(1U << 26) };
	uint64_t begun, took;

	if (argc != 5)
		errx(EX_USAGE, "usage: submit_many SOCKET CONNECTIONS MESSAGES BYTES");
	bench.left = bench.wanted = strtoul(argv[3], NULL, 10);
	fill(&bench.body, strtoul(argv[4], NULL, 10));
	bench.loop = loop_new();
	bench.hub = bench.loop != NULL ? ctrl_hub_new(bench.loop, "bench", 1U << 28) : NULL;
	if (bench.hub == NULL)
		err(EX_OSERR, "loop");
	begun = clock_boot();
	for (unsigned long n = strtoul(argv[2], NULL, 10); n > 0; n--) {
		int fd = ctrl_connect(argv[1]);
		struct ctrl *c = fd >= 0 ? ctrl_new(bench.hub, fd, &ops, &bench) : NULL;

		if (c == NULL)
			err(EX_UNAVAILABLE, "%s", argv[1]);
		send_one(&bench, c);
	}
	if (bench.wanted > 0 && loop_run(bench.loop) != 0)
		err(EX_OSERR, "loop");
	took = clock_boot() - begun;
	printf("%lu %lu %.0f\n", bench.answered, bench.refused, (double)bench.answered * 1e6 / (double)took);
	ctrl_hub_free(bench.hub);
	loop_free(bench.loop);
	str_free(&bench.body);
	return bench.refused != 0;
}
