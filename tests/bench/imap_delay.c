/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A line that takes its time: imap_delay MILLISECONDS TARGET-PORT listens on a loopback port, which it prints, and passes each connection's bytes on to the target's,
 * every one that much later, either way, at any rate.  A process for each connection.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"

#define PIECE 65536
#define HELD_MAX 1024		/* pieces on their way: more than any sender here fills in the delay */

struct piece {
	uint64_t due;
	size_t len, sent;
	char data[PIECE];
};

struct way {
	int from, to;
	struct piece **pieces;	/* a ring */
	size_t first, count;
	int ended;		/* nothing more comes */
	int closed;		/* and the other side was told */
};

static int to_port(unsigned port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return connect(fd, (struct sockaddr *)&address, sizeof address) < 0 ? -1 : fd;
}

static int listen_any(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 64) < 0 || getsockname(fd, (struct sockaddr *)&address, &len) < 0)
		return -1;
	printf("%u\n", ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

static void take(struct way *way, uint64_t delay)
{
	struct piece *piece = malloc(sizeof *piece);
	ssize_t got = piece ? recv(way->from, piece->data, PIECE, MSG_DONTWAIT) : -1;

	if (got <= 0) {
		way->ended = got == 0 || errno != EAGAIN;
		free(piece);
		return;
	}
	piece->due = clock_boot() + delay;
	piece->len = (size_t)got;
	piece->sent = 0;
	way->pieces[(way->first + way->count++) % HELD_MAX] = piece;
}

/* Sends what is due.  The time until the next is, in microseconds. */
static uint64_t give(struct way *way)
{
	while (way->count) {
		struct piece *piece = way->pieces[way->first];
		uint64_t now = clock_boot();
		ssize_t put;

		if (now < piece->due)
			return piece->due - now;
		put = send(way->to, piece->data + piece->sent, piece->len - piece->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (put < 0 && errno != EAGAIN)
			exit(0);
		piece->sent += put > 0 ? (size_t)put : 0;
		if (piece->sent < piece->len)
			return 200;		/* the other side is full */
		free(piece);
		way->first = (way->first + 1) % HELD_MAX;
		way->count--;
	}
	if (way->ended && !way->closed) {
		way->closed = 1;
		shutdown(way->to, SHUT_WR);
	}
	return CLOCK_SECOND;
}

static void carry(int client, int server, uint64_t delay)
{
	struct way ways[2] = { { .from = client, .to = server }, { .from = server, .to = client } };
	int on = 1;

	for (int i = 0; i < 2; i++) {
		setsockopt(ways[i].to, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		ways[i].pieces = calloc(HELD_MAX, sizeof *ways[i].pieces);
		if (!ways[i].pieces)
			exit(71);
	}
	while (!ways[0].closed || !ways[1].closed) {
		uint64_t wait = CLOCK_SECOND;
		struct pollfd fds[2];

		for (int i = 0; i < 2; i++) {
			uint64_t until = give(&ways[i]);

			wait = until < wait ? until : wait;
			fds[i] = (struct pollfd){ .fd = !ways[i].ended && ways[i].count < HELD_MAX ? ways[i].from : -1, .events = POLLIN };
		}
		ppoll(fds, 2, &(struct timespec){ .tv_sec = (time_t)(wait / CLOCK_SECOND), .tv_nsec = (long)(wait % CLOCK_SECOND * 1000) }, NULL);
		for (int i = 0; i < 2; i++)
			if (fds[i].revents)
				take(&ways[i], delay);
	}
	exit(0);
}

int main(int argc, char **argv)
{
	uint64_t delay = argc == 3 ? strtoull(argv[1], NULL, 10) * 1000 : 0;
	int listener = argc == 3 ? listen_any() : -1;

	if (listener < 0) {
		fputs("usage: imap_delay MILLISECONDS TARGET-PORT\n", stderr);
		return 64;
	}
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int client = accept(listener, NULL, NULL);

		if (client >= 0 && fork() == 0) {
			int server = to_port((unsigned)strtoul(argv[2], NULL, 10));

			close(listener);
			if (server < 0)
				return 69;
			carry(client, server, delay);
		}
		close(client);
	}
}
