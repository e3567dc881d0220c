/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Hands messages to an SMTP server over several sessions at once, each of which waits for every reply, as most clients do: smtp_many PORT SESSIONS MESSAGES BYTES
 * <RECIPIENT>.  Sessions are reused.  Prints how many were taken, how many were not, and how many a second were taken.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "clock.h"
#include "str.h"

#define SESSIONS_MOST 512U

enum step { GREETING, HELLO, SENDER, RECIPIENT, DATA, TEXT };

struct session {
	enum step step;
	struct str in;			/* an unfinished reply */
	size_t sent;			/* of the text */
};

struct bench {
	struct str text;		/* with the dot */
	const char *recipient;
	unsigned long left, wanted, taken, refused;
	struct session sessions[SESSIONS_MOST];
	struct pollfd polled[SESSIONS_MOST];
	unsigned count;
};

static void fill(struct str *text, size_t bytes)
{
	if (str_add(text, "From: sender@example.org\r\nTo: reader@example.org\r\nSubject: a message of a benchmark\r\n\r\n") != 0)
		err(EX_OSERR, "memory");
	while (text->len < bytes)
		if (str_add(text, "Some words that make a line of ordinary text, as a message has them.\r\n") != 0)
			err(EX_OSERR, "memory");
	if (str_add(text, ".\r\n") != 0)
		err(EX_OSERR, "memory");
}

static void put(int fd, const char *data, size_t len)
{
	if (write(fd, data, len) != (ssize_t)len)
		err(EX_IOERR, "write");
}

static void say(int fd, const char *command, const char *value)
{
	char line[512];
	int len = snprintf(line, sizeof line, "%s%s\r\n", command, value);

	put(fd, line, (size_t)len);
}

static void push_text(struct bench *b, unsigned i)
{
	struct session *s = &b->sessions[i];
	ssize_t n = send(b->polled[i].fd, b->text.data + s->sent, b->text.len - s->sent, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN)
		err(EX_IOERR, "send");
	s->sent += n > 0 ? (size_t)n : 0;
	b->polled[i].events = s->sent < b->text.len ? POLLIN | POLLOUT : POLLIN;
}

static void begin(struct bench *b, unsigned i)
{
	if (b->left == 0)
		return;
	b->left--;
	b->sessions[i].step = SENDER;
	say(b->polled[i].fd, "MAIL FROM:", "<sender@example.org>");
}

static void replied(struct bench *b, unsigned i, char class)
{
	struct session *s = &b->sessions[i];
	int fd = b->polled[i].fd;
	bool good = class == '2' || class == '3';

	if (!good && s->step < TEXT)
		errx(EX_PROTOCOL, "step %d was refused: %s", (int)s->step, s->in.data);
	switch (s->step) {
	case GREETING:
		say(fd, "EHLO ", "client.example.org");
		break;
	case SENDER:
		say(fd, "RCPT TO:", b->recipient);
		break;
	case RECIPIENT:
		say(fd, "DATA", "");
		break;
	case DATA:
		s->sent = 0;
		push_text(b, i);
		break;
	case HELLO:
	case TEXT:
		b->taken += s->step == TEXT && good;
		b->refused += s->step == TEXT && !good;
		begin(b, i);
		return;
	}
	s->step++;
}

/* Each line but the last of a reply has a hyphen behind its code. */
static void readable(struct bench *b, unsigned i)
{
	struct session *s = &b->sessions[i];
	char bytes[4096], *end;
	ssize_t n = read(b->polled[i].fd, bytes, sizeof bytes);

	if (n <= 0 || str_append(&s->in, bytes, (size_t)n) != 0)
		errx(EX_PROTOCOL, "the server closed a session");
	while ((end = memchr(s->in.data, '\n', s->in.len))) {
		bool last = s->in.len > 3 && s->in.data[3] != '-';
		char class = s->in.data[0];

		if (last)
			replied(b, i, class);
		str_shift(&s->in, (size_t)(end - s->in.data) + 1);
	}
}

static int dial(const char *port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0)
		err(EX_UNAVAILABLE, "port %s", port);
	return fd;
}

static void run(struct bench *b)
{
	while (b->taken + b->refused < b->wanted) {
		if (poll(b->polled, b->count, -1) < 0)
			err(EX_OSERR, "poll");
		for (unsigned i = 0; i < b->count; i++) {
			if (b->polled[i].revents & POLLOUT)
				push_text(b, i);
			if (b->polled[i].revents & (POLLIN | POLLHUP | POLLERR))
				readable(b, i);
		}
	}
}

int main(int argc, char **argv)
{
	struct bench *b = calloc(1, sizeof *b);
	uint64_t begun, took;

	if (argc != 6 || !b || (b->count = (unsigned)atoi(argv[2])) == 0 || b->count > SESSIONS_MOST)
		errx(EX_USAGE, "usage: smtp_many PORT SESSIONS MESSAGES BYTES <RECIPIENT>");
	b->left = b->wanted = strtoul(argv[3], NULL, 10);
	b->text = (struct str)STR_INIT(1U << 26);
	fill(&b->text, strtoul(argv[4], NULL, 10));
	b->recipient = argv[5];	/* <…> */
	for (unsigned i = 0; i < b->count; i++) {
		b->sessions[i].in = (struct str)STR_INIT(65536);
		b->polled[i] = (struct pollfd){ .fd = dial(argv[1]), .events = POLLIN };
	}
	begun = clock_boot();
	run(b);
	took = clock_boot() - begun;
	printf("%lu %lu %.0f\n", b->taken, b->refused, (double)b->taken * 1e6 / (double)took);
	return b->refused != 0;
}
