/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * smtp_crowd PORT SESSIONS MESSAGES BYTES [IDLE SLOW]: sends messages over sessions that are reused, each with one pipelined MAIL, RCPT, DATA, and says how many a
 * second were taken.  With IDLE and SLOW it does so alone, then beside so many clients that say nothing or a byte now and then, and says the ratio.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define SESSIONS_MAX 512
#define CROWD_MAX 20000

static const char envelope[] = "MAIL FROM:<a@b.example>\r\nRCPT TO:<u@local.example>\r\nDATA\r\n";

struct session {
	int fd;
	unsigned awaited;		/* replies */
	int data;			/* the message comes next */
	char last[4];			/* code of the line under way */
	size_t column;
	char mark;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void give_up(const char *what)
{
	perror(what);
	exit(1);
}

static int dial(unsigned port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((unsigned short)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;

	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes))
		give_up("connect");
	return fd;
}

static void say(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n <= 0)
			give_up("write");
		text += n;
		len -= (size_t)n;
	}
}

/* How many whole replies came; any but 2xx and 3xx ends the run. */
static unsigned hear(struct session *s)
{
	char buffer[8192];
	ssize_t n = read(s->fd, buffer, sizeof buffer);
	unsigned replies = 0;

	if (n <= 0)
		give_up("read");
	for (ssize_t i = 0; i < n; i++) {
		if (s->column == 0 && buffer[i] != '2' && buffer[i] != '3') {
			fprintf(stderr, "refused: %.*s\n", (int)(n - i), buffer + i);
			exit(1);
		}
		if (s->column == 3)
			s->mark = buffer[i];
		s->column++;
		if (buffer[i] != '\n')
			continue;
		replies += s->mark == ' ';
		s->column = 0;
	}
	return replies;
}

/* One more turn of s; true when a message of it was taken. */
static int turn(struct session *s, const char *message, size_t len, int more)
{
	unsigned n = hear(s);

	s->awaited -= n < s->awaited ? n : s->awaited;
	if (s->awaited)
		return 0;
	if (s->data) {
		s->data = 0;
		s->awaited = 1;
		say(s->fd, message, len);
		return 0;
	}
	if (more) {
		s->data = 1;
		s->awaited = 3;
		say(s->fd, envelope, sizeof envelope - 1);
	}
	return 1;
}

static double measure(unsigned port, unsigned sessions, unsigned messages, size_t bytes)
{
	static struct session all[SESSIONS_MAX];
	struct pollfd fds[SESSIONS_MAX];
	char *message = malloc(bytes + 100);
	size_t len = (size_t)sprintf(message, "Subject: load\r\n\r\n");
	unsigned started = sessions, taken = 0;
	double begun;

	while (len + 80 < bytes)
		len += (size_t)sprintf(message + len, "%076d\r\n", (int)len);
	len += (size_t)sprintf(message + len, ".\r\n");
	for (unsigned i = 0; i < sessions; i++) {
		all[i] = (struct session){ .fd = dial(port), .awaited = 1 };
		while (!hear(&all[i]))
			;
		say(all[i].fd, "EHLO load.example\r\n", 19);
		while (!hear(&all[i]))
			;
		fds[i] = (struct pollfd){ .fd = all[i].fd, .events = POLLIN };
	}
	begun = now();
	for (unsigned i = 0; i < sessions; i++) {
		all[i].data = 1;
		all[i].awaited = 3;
		say(all[i].fd, envelope, sizeof envelope - 1);
	}
	while (taken < messages) {
		if (poll(fds, sessions, -1) < 0)
			give_up("poll");
		for (unsigned i = 0; i < sessions; i++)
			if (fds[i].revents && turn(&all[i], message, len, started < messages)) {
				taken++;
				started++;
			}
	}
	begun = now() - begun;
	for (unsigned i = 0; i < sessions; i++)
		close(all[i].fd);
	free(message);
	return messages / begun;
}

/* The slow ones say a byte every fifth of a second. */
static pid_t crowd(unsigned port, unsigned idle, unsigned slow, int ready)
{
	static int fds[CROWD_MAX];
	pid_t pid = fork();
	const char line[] = "NOOP slowly\r\n";
	char byte = 0;

	if (pid)
		return pid;
	for (unsigned i = 0; i < idle + slow; i++)
		fds[i] = dial(port);
	if (write(ready, &byte, 1) != 1)
		_exit(1);
	for (unsigned at = 0;; at++) {
		struct timespec pause = { 0, 200000000 };

		for (unsigned i = idle; i < idle + slow; i++)
			if (write(fds[i], line + at % (sizeof line - 1), 1) < 0)
				_exit(0);
		nanosleep(&pause, NULL);
	}
}

int main(int argc, char **argv)
{
	struct rlimit limit;
	unsigned number[6] = { 0 };
	double alone, beside;
	int ready[2];
	char byte;
	pid_t pid;

	for (int i = 1; i < argc && i <= 6; i++)
		number[i - 1] = (unsigned)strtoul(argv[i], NULL, 10);
	if ((argc != 5 && argc != 7) || number[1] > SESSIONS_MAX || !number[1] || number[4] + number[5] > CROWD_MAX) {
		fprintf(stderr, "usage: smtp_crowd PORT SESSIONS MESSAGES BYTES [IDLE SLOW]\n");
		return 64;
	}
	if (!getrlimit(RLIMIT_NOFILE, &limit)) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
	alone = measure(number[0], number[1], number[2], number[3]);
	printf("%u messages of %u bytes over %u sessions: %.0f a second\n", number[2], number[3], number[1], alone);
	if (argc == 5)
		return 0;
	if (pipe(ready))
		give_up("pipe");
	pid = crowd(number[0], number[4], number[5], ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		give_up("crowd");
	beside = measure(number[0], number[1], number[2], number[3]);
	printf("beside %u idle and %u slow clients: %.0f a second, %.2f of that\n", number[4], number[5], beside, beside / alone);
	kill(pid, 9);
	return 0;
}
