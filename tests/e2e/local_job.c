/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Hands jobs to a deliverer (deaddrop-control(7), NAME.ctrl) as send does, and prints its answers, one a line: "K n status text".
 *
 *   local_job [-u] [-f] [-t SECONDS] [-n KEY] [-a ARRIVAL] [-c COUNT] [-o ORIGINAL] SOCKET DROP SENDER RECIPIENT... < MESSAGE
 *
 * -u: the attempt is unclear; -t: who waits takes a deliverer for dead after that time (signs of life are printed as "Y"); -f: the message goes as a descriptor; -n: the key's number (default: of this process); -c: that many
 * jobs at once, with keys that count up.
 * Exit status: 0 if every answer is K, 1 if not, 2 if the connection ended before all were there.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "frame.h"
#include "id.h"

struct request {
	const char *socket, *drop, *sender, *original;
	char **recipients;
	unsigned long long number, arrival;
	unsigned count;
	int unclear, file;
	const char *timeout;
	struct str message;
};

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static int dial(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (strlen(path) >= sizeof address.sun_path)
		exit(2);
	memcpy(address.sun_path, path, strlen(path) + 1);
	for (int tries = 0; connect(fd, (struct sockaddr *)&address, sizeof address) < 0; tries++) {
		if (tries == 100)
			die(path);
		usleep(50000);
	}
	return fd;
}

static void say(int fd, char type, const void *value, size_t len)
{
	struct str out = STR_INIT(FRAME_MAX + 32);

	if (frame_put(&out, type, (struct span){ value, len }) < 0 || send(fd, out.data, out.len, MSG_NOSIGNAL) != (ssize_t)out.len)
		die("send");
	str_free(&out);
}

static void say_text(int fd, char type, const char *text)
{
	say(fd, type, text, strlen(text));
}

static void say_file(int fd, int file, size_t length)
{
	union { struct cmsghdr header; char space[CMSG_SPACE(sizeof(int))]; } control;
	struct str out = STR_INIT(1024), value = STR_INIT(100);
	struct iovec part;
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };

	memset(&control, 0, sizeof control);
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof file);
	memcpy(CMSG_DATA(&control.header), &file, sizeof file);
	str_printf(&value, "0 %zu", length);
	frame_put(&out, 'F', str_span(&value));
	part = (struct iovec){ out.data, out.len };
	if (sendmsg(fd, &message, 0) != (ssize_t)out.len)
		die("sendmsg");
	str_free(&out);
	str_free(&value);
}

static void put_message(int fd, const struct request *r)
{
	FILE *file;

	if (!r->file) {
		for (size_t at = 0; at < r->message.len; at += 60000)
			say(fd, 'B', r->message.data + at, r->message.len - at < 60000 ? r->message.len - at : 60000);
		return;
	}
	file = tmpfile();
	if (!file || fwrite(r->message.data, 1, r->message.len, file) != r->message.len || fflush(file))
		die("tmpfile");
	say_file(fd, fileno(file), r->message.len);
	fclose(file);
}

static void put_job(int fd, const struct request *r, unsigned n)
{
	struct id_key key = { { { 1763712345000000ULL + r->number + n, r->number }, 0 }, 0, id_hash(span_of(r->drop)) };
	char text[ID_KEY_MAX], attribute[2048];

	id_key_text(key, text);
	say_text(fd, 'J', text);
	say_text(fd, 'D', r->drop);
	say_text(fd, 'S', r->sender);
	snprintf(attribute, sizeof attribute, "arrival=%llu", r->arrival);
	say_text(fd, 'A', attribute);
	if (r->unclear)
		say_text(fd, 'A', "unclear=1");
	if (r->timeout) {
		snprintf(attribute, sizeof attribute, "timeout=%s", r->timeout);
		say_text(fd, 'A', attribute);
	}
	for (char **at = r->recipients; *at; at++) {
		say_text(fd, 'R', *at);
		if (r->original) {
			snprintf(attribute, sizeof attribute, "orig=%s", r->original);
			say_text(fd, 'r', attribute);
		}
	}
	put_message(fd, r);
	say_text(fd, 'E', "");
}

/* Prints what it says until there were that many answers. */
static int hear(int fd, size_t answers)
{
	struct str in = STR_INIT(16 * FRAME_MAX);
	struct frame frame;
	size_t used;
	int status = 0;

	while (answers) {
		ssize_t got;

		while (answers && frame_take(in.data, in.len, &frame, &used) == FRAME_WHOLE) {
			if (frame.type == 'Y') {
				puts("Y");
			} else if (frame.type != 'H') {
				const char *blank = memchr(frame.value.data, ' ', frame.value.len);
				size_t skip = blank ? (size_t)(blank - frame.value.data) + 1 : 0;

				printf("%c %.*s\n", frame.type, (int)(frame.value.len - skip), frame.value.data + skip);
				if (frame.type != 'K')
					status = 1;
				answers--;
			}
			str_shift(&in, used);
		}
		if (!answers)
			break;
		if (str_reserve(&in, 65536) < 0)
			die("memory");
		got = recv(fd, in.data + in.len, 65536, 0);
		if (got <= 0)
			return 2;
		in.len += (size_t)got;
	}
	str_free(&in);
	return status;
}

int main(int argc, char **argv)
{
	struct request r = { .number = (unsigned long long)getpid() * 1000000, .arrival = 1763712345123456ULL, .count = 1, .message = STR_INIT(1U << 30) };
	size_t recipients = 0;
	ssize_t got;
	int option, fd;

	while ((option = getopt(argc, argv, "ufn:a:c:o:t:")) >= 0) {
		if (option == 'u')
			r.unclear = 1;
		else if (option == 'f')
			r.file = 1;
		else if (option == 'n')
			r.number = strtoull(optarg, NULL, 10);
		else if (option == 'a')
			r.arrival = strtoull(optarg, NULL, 10);
		else if (option == 't')
			r.timeout = optarg;
		else if (option == 'c')
			r.count = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == 'o')
			r.original = optarg;
		else
			return 2;
	}
	if (argc - optind < 4)
		return 2;
	r.socket = argv[optind];
	r.drop = argv[optind + 1];
	r.sender = argv[optind + 2];
	r.recipients = argv + optind + 3;
	while (r.recipients[recipients])
		recipients++;
	do {
		if (str_reserve(&r.message, 65536) < 0)
			die("memory");
		got = read(0, r.message.data + r.message.len, 65536);
		if (got > 0)
			r.message.len += (size_t)got;
	} while (got > 0);
	fd = dial(r.socket);
	say_text(fd, 'H', "test 1");
	for (unsigned n = 0; n < r.count; n++)
		put_job(fd, &r, n);
	return hear(fd, recipients * r.count);
}
