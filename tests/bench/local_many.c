/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Messages into a mailbox of deaddrop-local, so many jobs waiting at a time; or written by a plain careful writer, one by one: file, fsync, rename, fsync of the
 * directory.  Prints messages a second.
 *
 *   local_many SOCKET DROP WAITING MESSAGES BYTES
 *   local_many --careful DIRECTORY MESSAGES BYTES
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "frame.h"
#include "id.h"

#define BODY_MAX 60000U

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static char *make_message(size_t size)
{
	static const char header[] = "Received: by host with local\n\tid 1-1;\nFrom: a@b.example\nSubject: one of many\n\n";
	char *text = malloc(size + sizeof header);

	if (!text)
		die("memory");
	memset(text, 'x', size);
	for (size_t i = 71; i < size; i += 72)
		text[i] = '\n';
	memcpy(text, header, size < sizeof header - 1 ? size : sizeof header - 1);
	return text;
}

static void finish(uint64_t begun, unsigned long messages)
{
	printf("%.0f\n", (double)messages * (double)CLOCK_SECOND / (double)(clock_boot() - begun));
}

/* ---- the careful writer ---- */

static void write_one(int tmp, int new, const char *message, size_t size, unsigned long n)
{
	char name[64];
	int fd;

	snprintf(name, sizeof name, "%lu.%ld.careful", n, (long)getpid());
	fd = openat(tmp, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, message, size) != (ssize_t)size || fsync(fd) < 0 || close(fd) < 0 || renameat(tmp, name, new, name) < 0 || fsync(new) < 0)
		die(name);
}

static int careful(const char *path, unsigned long messages, size_t size)
{
	char *message = make_message(size);
	int base = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int tmp = openat(base, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC), new = openat(base, "new", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t begun = clock_boot();

	if (tmp < 0 || new < 0)
		die(path);
	for (unsigned long n = 0; n < messages; n++)
		write_one(tmp, new, message, size, n);
	finish(begun, messages);
	free(message);
	return 0;
}

/* ---- the stage ---- */

static void put(struct str *out, char type, const char *value, size_t len)
{
	if (frame_put(out, type, (struct span){ value, len }) < 0)
		die("frame");
}

static void send_job(int fd, const char *drop, const char *message, size_t size, unsigned long n)
{
	struct str out = STR_INIT(2 * FRAME_MAX);
	struct id_key key = { { { clock_wall(), n + 1 }, 0 }, 0, id_hash(span_of(drop)) };
	char text[ID_KEY_MAX], arrival[64];

	id_key_text(key, text);
	snprintf(arrival, sizeof arrival, "arrival=%llu", (unsigned long long)clock_wall());
	put(&out, 'J', text, strlen(text));
	put(&out, 'D', drop, strlen(drop));
	put(&out, 'S', "a@b.example", 11);
	put(&out, 'A', arrival, strlen(arrival));
	put(&out, 'R', "frank", 5);
	put(&out, 'B', message, size);
	put(&out, 'E', "", 0);
	if (send(fd, out.data, out.len, MSG_NOSIGNAL) != (ssize_t)out.len)
		die("send");
	str_free(&out);
}

static int dial(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct str hello = STR_INIT(100);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), size = 4 << 20;

	if (strlen(path) >= sizeof address.sun_path)
		exit(64);
	memcpy(address.sun_path, path, strlen(path) + 1);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
		die(path);
	put(&hello, 'H', "bench 1", 7);
	if (send(fd, hello.data, hello.len, MSG_NOSIGNAL) != (ssize_t)hello.len)
		die("send");
	str_free(&hello);
	return fd;
}

/* How many answers have come; each must be a delivery. */
static unsigned long hear(int fd, struct str *in)
{
	struct frame frame;
	unsigned long answers = 0;
	ssize_t got;
	size_t used;

	if (str_reserve(in, 65536) < 0 || (got = recv(fd, in->data + in->len, 65536, 0)) <= 0)
		die("recv");
	in->len += (size_t)got;
	while (frame_take(in->data, in->len, &frame, &used) == FRAME_WHOLE) {
		if (frame.type != 'H' && frame.type != 'K') {
			fprintf(stderr, "%c %.*s\n", frame.type, (int)frame.value.len, frame.value.data);
			exit(1);
		}
		answers += frame.type == 'K';
		str_shift(in, used);
	}
	return answers;
}

static int many(char **argv)
{
	unsigned long waiting = strtoul(argv[3], NULL, 10), messages = strtoul(argv[4], NULL, 10), sent = 0, done = 0;
	size_t size = strtoul(argv[5], NULL, 10);
	struct str in = STR_INIT(4 * FRAME_MAX);
	char *message = make_message(size);
	int fd = dial(argv[1]);
	uint64_t begun = clock_boot();

	if (size > BODY_MAX)
		exit(64);
	while (done < messages) {
		while (sent < messages && sent - done < waiting)
			send_job(fd, argv[2], message, size, sent++);
		done += hear(fd, &in);
	}
	finish(begun, messages);
	str_free(&in);
	free(message);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "--careful"))
		return careful(argv[2], strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10));
	if (argc == 6)
		return many(argv);
	fprintf(stderr, "usage: local_many SOCKET DROP WAITING MESSAGES BYTES | --careful DIRECTORY MESSAGES BYTES\n");
	return 64;
}
