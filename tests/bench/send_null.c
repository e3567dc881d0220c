/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A deliverer that says K to everything, for measuring deaddrop-send alone: send_null SOCKET listens and answers until it is killed; send_null --journal FILE COUNT
 * writes a journal file of COUNT messages of 4 KiB with an end mark; send_null --deferred DIR COUNT writes COUNT deferred messages.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "crc32c.h"
#include "frame.h"
#include "outcome.h"
#include "record.h"

#define BODY 4096
#define MARK UINT64_C(0x1122334455667788)

static int
put_record(struct str *out, struct id id, uint64_t committed)
{
	static char body[BODY];
	struct envelope e;
	struct record_header h = { .mark = MARK, .id = id, .arrival = id.name.usec, .committed = committed,
		.key = { "0123456789abcdef0123456789abcdef", 32 }, .origin = { "bench", 5 }, .envelope = &e };
	int result;

	memset(body, 'x', sizeof(body));
	memcpy(body, "Subject: bench\n\n", 16);
	envelope_init(&e, 65536);
	envelope_set_sender(&e, span_of("a@example.org"));
	envelope_add_recipient(&e, span_of("root@example.org"));
	result = record_build(out, &h, BODY, crc32c(record_body_crc(MARK), body, BODY));
	envelope_free(&e);
	return result < 0 ? -1 : str_append(out, body, BODY);
}

static int
write_out(const char *path, struct str *out)
{
	FILE *f = fopen(path, "w");
	int bad;

	if (f == NULL)
		return -1;
	bad = fwrite(out->data, 1, out->len, f) != out->len;
	bad |= fclose(f) != 0;
	str_cut(out, 0);
	return bad ? -1 : 0;
}

static int
make_journal(const char *path, uint32_t count)
{
	struct str out = STR_INIT(UINT32_MAX);
	const char *slash = strrchr(path, '/');
	struct id id = { .index = 0 };

	if (id_parse_name(span_of(slash != NULL ? slash + 1 : path), &id.name) < 0)
		return 64;
	for (; id.index < count; id.index++)
		if (put_record(&out, id, out.len) < 0)
			return 71;
	record_end_mark(&out, MARK, out.len);
	return write_out(path, &out) < 0 ? 74 : 0;
}

static int
make_deferred(const char *dir, uint32_t count)
{
	struct str out = STR_INIT(65536);
	char text[ID_TEXT_MAX], path[512];
	struct id id = { .name = { clock_wall(), 1 } };

	for (; id.index < count; id.index++) {
		struct outcome_line line = { .index = id.index, .state = OUTCOME_STATE_TRY_LATER, .tries = 1,
			.next = clock_wall() + 3600 * CLOCK_SECOND, .status = span_of("4.2.0"), .drop = span_of("local:inbox"),
			.address = { "", 0 }, .reason = span_of("bench") };

		id_text(id, text);
		snprintf(path, sizeof(path), "%s/%s", dir, text);
		if (put_record(&out, id, 0) < 0 || outcome_line_write(&out, span_of(text), &line) < 0 || write_out(path, &out) < 0)
			return 74;
	}
	return 0;
}

/* Answers each J at its E. */
static int
serve(int fd)
{
	static char in[1 << 20];
	struct str out = STR_INIT(1 << 22);
	char key[128] = "";
	size_t len = 0, used, at;
	struct frame f;
	ssize_t n;

	frame_printf(&out, 'H', "null 1");
	while ((n = read(fd, in + len, sizeof(in) - len)) > 0) {
		len += (size_t)n;
		for (at = 0; frame_take(in + at, len - at, &f, &used) == FRAME_WHOLE; at += used) {
			if (f.type == 'J')
				snprintf(key, sizeof(key), "%.*s", (int)f.value.len, f.value.data);
			else if (f.type == 'E')
				frame_printf(&out, 'K', "%s 0 2.0.0 nowhere", key);
		}
		memmove(in, in + at, len - at);
		len -= at;
		for (at = 0; at < out.len; at += (size_t)n)
			if ((n = write(fd, out.data + at, out.len - at)) <= 0)
				break;
		str_cut(&out, 0);
	}
	str_free(&out);
	return 0;
}

int
main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (argc == 4 && strcmp(argv[1], "--journal") == 0)
		return make_journal(argv[2], (uint32_t)strtoul(argv[3], NULL, 10));
	if (argc == 4 && strcmp(argv[1], "--deferred") == 0)
		return make_deferred(argv[2], (uint32_t)strtoul(argv[3], NULL, 10));
	if (argc != 2 || strlen(argv[1]) >= sizeof(address.sun_path)) {
		fprintf(stderr, "usage: send_null SOCKET | --journal FILE COUNT | --deferred DIR COUNT\n");
		return 64;
	}
	memcpy(address.sun_path, argv[1], strlen(argv[1]));
	unlink(argv[1]);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 8) < 0)
		return 71;
	for (;;) {
		int c = accept(fd, NULL, NULL);

		if (c >= 0) {
			serve(c);
			close(c);
		}
	}
}
