/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "stream.h"
#include "testcert.h"

/* One end: what came, and what it does about it. */
struct end {
	struct stream *stream;
	struct str got;
	unsigned inputs, drained, secured, closed;
	enum stream_end why;
	char text[300];
	bool lines, leave, free_in_input, echo, pause_each;
	size_t to_write;
	struct tls *upgrade;		/* on STARTTLS */
	int upgraded;
};

static struct loop *loop;
static struct loop_timer limit;
static bool overdue;
static unsigned stop_after;		/* closed calls until the loop stops */

static void on_limit(void *arg)
{
	(void)arg;
	overdue = true;
	loop_stop(loop);
}

static void on_input(void *arg)
{
	struct end *end = arg;
	struct span line;
	int result = 0;

	end->inputs++;
	if (end->leave)
		return;
	if (!end->lines) {
		struct span all = stream_input(end->stream);

		assert_int_equal(str_append(&end->got, all.data, all.len), 0);
		if (end->echo)
			assert_int_equal(stream_write(end->stream, all.data, all.len), 0);
		stream_take(end->stream, all.len);
	}
	while (end->lines && (result = stream_line(end->stream, &line)) == 1) {
		assert_int_equal(str_append(&end->got, line.data, line.len), 0);
		if (span_is(line, "STARTTLS\r\n") && end->upgrade != NULL) {
			assert_int_equal(stream_add(end->stream, "220 go\r\n"), 0);
			end->upgraded = stream_secure(end->stream, end->upgrade) < 0 ? errno : 0;
			end->upgrade = NULL;
			if (end->upgraded != 0)
				loop_stop(loop);
			else	/* must not go out in plain behind the reply */
				assert_int_equal(stream_add(end->stream, "250 secret\r\n"), 0);
			return;
		}
		if (span_is(line, "220 go\r\n") && end->upgrade != NULL) {
			end->upgraded = stream_secure(end->stream, end->upgrade) < 0 ? errno : 0;
			end->upgrade = NULL;
			return;
		}
		if (end->pause_each) {
			stream_pause(end->stream, true);
			return;
		}
	}
	if (result < 0) {
		assert_int_equal(errno, EMSGSIZE);
		loop_stop(loop);
		stream_pause(end->stream, true);
	}
	if (end->free_in_input) {
		stream_free(end->stream);
		end->stream = NULL;
		loop_stop(loop);
	}
}

static void write_more(struct end *end)
{
	static const char bytes[1000] = "0123456789";

	while (end->to_write > 0 && stream_room(end->stream) > 0) {
		size_t n = end->to_write < sizeof(bytes) ? end->to_write : sizeof(bytes);

		if (n > stream_room(end->stream))
			n = stream_room(end->stream);
		assert_int_equal(stream_write(end->stream, bytes, n), 0);
		end->to_write -= n;
		if (end->to_write == 0)
			stream_finish(end->stream);
	}
}

static void on_drained(void *arg)
{
	struct end *end = arg;

	end->drained++;
	write_more(end);
}

static void on_secured(void *arg)
{
	struct end *end = arg;

	end->secured++;
	assert_non_null(stream_tls(end->stream));
	if (end->to_write > 0)
		write_more(end);
}

static void on_closed(void *arg, enum stream_end why, const char *text)
{
	struct end *end = arg;

	end->closed++;
	end->why = why;
	snprintf(end->text, sizeof(end->text), "%s", text);
	if (stop_after > 0 && --stop_after == 0)
		loop_stop(loop);
}

static const struct stream_handler handler = { on_input, on_drained, on_secured, on_closed };

static void run(unsigned closings)
{
	overdue = false;
	stop_after = closings;
	loop_timer_init(&limit, on_limit, NULL);
	assert_int_equal(loop_timer_set(loop, &limit, clock_boot() + 10 * CLOCK_SECOND), 0);
	assert_int_equal(loop_run(loop), 0);
	loop_timer_clear(loop, &limit);
	assert_false(overdue);
}

static void stop(void *arg)
{
	(void)arg;
	loop_stop(loop);
}

/* A while: nothing in particular is waited for. */
static void run_for(uint64_t microseconds)
{
	struct loop_timer timer;

	loop_timer_init(&timer, stop, NULL);
	assert_int_equal(loop_timer_set(loop, &timer, clock_boot() + microseconds), 0);
	assert_int_equal(loop_run(loop), 0);
	loop_timer_clear(loop, &timer);
}

/* On a slow machine it takes longer, and that is all. */
#define UNTIL(condition) do { \
		for (int turns = 0; turns < 10000 && !(condition); turns++) \
			run_for(1000); \
		assert_true(condition); \
	} while (0)

static void open_end(struct end *end, int in, int out, const struct stream_limits *limits)
{
	memset(end, 0, sizeof(*end));
	end->got = (struct str)STR_INIT(16U << 20);
	end->stream = stream_new(loop, in, out, &handler, end, limits);
	assert_non_null(end->stream);
}

static void close_end(struct end *end)
{
	stream_free(end->stream);
	str_free(&end->got);
}

static void make_pair(int fd[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
}

static void lines(void **state)
{
	struct end end;
	int fd[2];

	(void)state;
	make_pair(fd);
	open_end(&end, fd[0], fd[0], NULL);
	end.lines = true;
	assert_int_equal(write(fd[1], "one\r\ntwo\nthr", 12), 12);
	UNTIL(strcmp(end.got.data, "one\r\ntwo\n") == 0);
	assert_int_equal(write(fd[1], "ee\n", 3), 3);
	UNTIL(strcmp(end.got.data, "one\r\ntwo\nthree\n") == 0);
	assert_true(stream_progress(end.stream) <= clock_boot());
	assert_int_equal(write(fd[1], "rest", 4), 4);
	shutdown(fd[1], SHUT_WR);
	run(1);
	assert_int_equal(end.why, STREAM_EOF);
	assert_true(span_is(stream_input(end.stream), "rest"));
	/* the other way stays open */
	assert_int_equal(stream_add(end.stream, "bye\n"), 0);
	stream_finish(end.stream);
	run(1);
	assert_int_equal(end.why, STREAM_DONE);
	assert_int_equal(end.closed, 2);
	assert_int_equal(read(fd[1], end.text, 10), 4);
	assert_int_equal(read(fd[1], end.text, 10), 0);
	errno = 0;
	assert_int_equal(stream_add(end.stream, "x"), -1);
	assert_int_equal(errno, EPIPE);
	close_end(&end);
	close(fd[1]);
}

static void a_line_too_long(void **state)
{
	const struct stream_limits limits = { .input_max = 100 };
	char text[150];
	struct end end;
	int fd[2];

	(void)state;
	make_pair(fd);
	open_end(&end, fd[0], fd[0], &limits);
	end.lines = true;
	memset(text, 'a', sizeof(text));
	text[99] = '\n';
	assert_int_equal(write(fd[1], text, 100), 100);
	UNTIL(end.got.len == 100);
	text[99] = 'a';
	assert_int_equal(write(fd[1], text, 150), 150);
	run(0);
	assert_int_equal(stream_input(end.stream).len, 100);
	close_end(&end);
	close(fd[1]);
}

static void a_full_buffer_stops_reading(void **state)
{
	const struct stream_limits limits = { .input_max = 100 };
	char text[250] = "";
	struct end end;
	int fd[2];

	(void)state;
	make_pair(fd);
	open_end(&end, fd[0], fd[0], &limits);
	end.leave = true;
	assert_int_equal(write(fd[1], text, 250), 250);
	UNTIL(end.inputs > 0);
	run_for(5000);
	assert_int_equal(stream_input(end.stream).len, 100);
	assert_int_equal(end.inputs, 1);
	end.leave = false;
	stream_take(end.stream, 100);
	UNTIL(end.got.len == 150);
	close_end(&end);
	close(fd[1]);
}

static void pausing(void **state)
{
	struct end end;
	int fd[2];

	(void)state;
	make_pair(fd);
	open_end(&end, fd[0], fd[0], NULL);
	end.lines = end.pause_each = true;
	assert_int_equal(write(fd[1], "1\n2\n3\n", 6), 6);
	close(fd[1]);
	for (size_t i = 1; i <= 3; i++) {
		UNTIL(end.got.len >= 2 * i);
		run_for(2000);
		assert_int_equal(end.got.len, 2 * i);
		assert_int_equal(end.closed, 0);
		stream_pause(end.stream, false);
	}
	UNTIL(end.closed == 1);
	assert_int_equal(end.why, STREAM_EOF);
	close_end(&end);
}

static void much_output(void **state)
{
	const struct stream_limits limits = { .output_max = 10000 };
	struct end from, to;
	int fd[2];

	(void)state;
	make_pair(fd);
	open_end(&from, fd[0], fd[0], &limits);
	open_end(&to, fd[1], fd[1], NULL);
	from.to_write = 3000000;
	write_more(&from);
	assert_int_equal(stream_room(from.stream), 0);
	errno = 0;
	assert_int_equal(stream_write(from.stream, "x", 1), -1);
	assert_int_equal(errno, EMSGSIZE);
	stream_flush(from.stream);
	run(2);
	assert_int_equal(to.got.len, 3000000);
	assert_int_equal(from.why, STREAM_DONE);
	assert_int_equal(to.why, STREAM_EOF);
	close_end(&from);
	close_end(&to);
}

static void echo_and_free_in_a_callback(void **state)
{
	struct end end;
	char text[10];
	int fd[2];

	(void)state;
	make_pair(fd);
	open_end(&end, fd[0], fd[0], NULL);
	end.echo = true;
	assert_int_equal(write(fd[1], "abc", 3), 3);
	UNTIL(end.inputs > 0);
	assert_int_equal(read(fd[1], text, sizeof(text)), 3);
	end.free_in_input = true;
	assert_int_equal(write(fd[1], "def", 3), 3);
	run(0);
	assert_null(end.stream);
	assert_int_equal(read(fd[1], text, sizeof(text)), 0);	/* closed; what it wrote last went with it */
	close_end(&end);
	close(fd[1]);
}

static void broken_pipe_after_a_last_word(void **state)
{
	struct end end;
	int fd[2];

	(void)state;
	make_pair(fd);
	open_end(&end, fd[0], fd[0], NULL);
	assert_int_equal(write(fd[1], "421 go away\r\n", 13), 13);
	close(fd[1]);
	assert_int_equal(stream_add(end.stream, "MAIL FROM:<>\r\n"), 0);
	stream_flush(end.stream);
	run(1);
	assert_string_equal(end.got.data, "421 go away\r\n");
	assert_int_equal(end.why, STREAM_ERROR);
	assert_string_equal(end.text, "Broken pipe");
	close_end(&end);
}

static void pipes_and_files(void **state)
{
	char name[] = "/tmp/deaddrop-stream-XXXXXX", text[100];
	int file = mkstemp(name), out[2], null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct end end;

	(void)state;
	assert_int_equal(write(file, "HELO x\r\nQUIT\r\n", 14), 14);
	assert_int_equal(lseek(file, 0, SEEK_SET), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	open_end(&end, file, out[1], NULL);
	end.echo = true;
	run(1);
	assert_int_equal(end.why, STREAM_EOF);
	assert_string_equal(end.got.data, "HELO x\r\nQUIT\r\n");
	assert_int_equal(read(out[0], text, sizeof(text)), 14);
	close_end(&end);
	close(out[0]);
	unlink(name);
	open_end(&end, null, null, NULL);
	assert_int_equal(stream_printf(end.stream, "%d\n", 7), 0);
	stream_finish(end.stream);
	run(1);
	assert_int_equal(end.why, STREAM_DONE);
	close_end(&end);
}

/* TLS */

static char directory[] = "/tmp/deaddrop-stream-XXXXXX";
static char path[300];
static struct tls_trust *trust;
static struct tls_context *context;

static int set_up(void **state)
{
	struct testcert certificate = testcert_make(NULL, "mail.example.org", "DNS:mail.example.org", false, -TESTCERT_DAY, TESTCERT_DAY);
	struct str error = STR_INIT(TLS_ERROR_MAX);

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	loop = loop_new();
	if (mkdtemp(directory) == NULL || loop == NULL)
		return -1;
	testcert_write(directory, "cert", &certificate, NULL, true);
	testcert_free(&certificate);
	snprintf(path, sizeof(path), "%s/cert.pem", directory);
	trust = tls_trust_open(path, &error);
	context = tls_context_new();
	tls_context_trust(context, trust);
	return tls_context_certificate(context, path, path, &error);
}

static int tear_down(void **state)
{
	(void)state;
	tls_context_free(context);
	tls_trust_free(trust);
	unlink(path);
	loop_free(loop);
	return rmdir(directory);
}

static void starttls(void **state)
{
	struct end client, server;
	int fd[2];

	(void)state;
	make_pair(fd);
	open_end(&client, fd[0], fd[0], NULL);
	open_end(&server, fd[1], fd[1], NULL);
	client.lines = server.lines = true;
	server.upgrade = tls_server(context, NULL);
	client.upgrade = tls_client(context, "mail.example.org", NULL);
	client.to_write = 0;
	assert_int_equal(stream_add(client.stream, "STARTTLS\r\n"), 0);
	stream_flush(client.stream);
	UNTIL(client.secured == 1 && server.secured == 1 && client.got.len == strlen("220 go\r\n250 secret\r\n"));
	assert_true(tls_verified(stream_tls(client.stream)));
	assert_string_equal(client.got.data, "220 go\r\n250 secret\r\n");
	client.lines = server.lines = false;
	stream_secret(client.stream, true);
	client.to_write = 2000000;		/* through both buffers, many records */
	write_more(&client);
	stream_flush(client.stream);
	run(2);
	assert_int_equal(server.got.len, 2000000 + strlen("STARTTLS\r\n"));
	assert_int_equal(client.why, STREAM_DONE);
	assert_int_equal(server.why, STREAM_EOF);
	close_end(&client);
	close_end(&server);
}

static void tls_with_a_small_input_buffer(void **state)
{
	const struct stream_limits limits = { .input_max = 700 };
	struct end client, server;
	int fd[2];

	(void)state;
	make_pair(fd);
	open_end(&client, fd[0], fd[0], NULL);
	open_end(&server, fd[1], fd[1], &limits);
	assert_int_equal(stream_secure(client.stream, tls_client(context, "mail.example.org", NULL)), 0);
	assert_int_equal(stream_secure(server.stream, tls_server(context, NULL)), 0);
	client.to_write = 300000;
	run(2);
	assert_int_equal(server.got.len, 300000);
	/* bytes that lie in TLS's own buffer come without an event */
	close_end(&client);
	close_end(&server);
	make_pair(fd);
	open_end(&client, fd[0], fd[0], NULL);
	open_end(&server, fd[1], fd[1], &limits);
	assert_int_equal(stream_secure(client.stream, tls_client(context, "mail.example.org", NULL)), 0);
	assert_int_equal(stream_secure(server.stream, tls_server(context, NULL)), 0);
	UNTIL(client.secured == 1 && server.secured == 1);
	server.leave = true;
	assert_int_equal(stream_write(client.stream, directory, 10), 0);
	for (int i = 0; i < 150; i++)
		assert_int_equal(stream_add(client.stream, "0123456789"), 0);
	stream_flush(client.stream);
	UNTIL(stream_input(server.stream).len == 700);
	run_for(5000);
	server.leave = false;
	stream_take(server.stream, 700);
	UNTIL(server.got.len == 810);
	close_end(&client);
	close_end(&server);
}

static void injected_commands(void **state)
{
	struct end server;
	char plain[100];
	int fd[2];

	(void)state;
	make_pair(fd);
	open_end(&server, fd[1], fd[1], NULL);
	server.lines = true;
	server.upgrade = tls_server(context, NULL);
	assert_int_equal(write(fd[0], "STARTTLS\r\nMAIL FROM:<evil>\r\n", 28), 28);
	run(0);
	assert_int_equal(server.upgraded, EPROTO);
	assert_int_equal(server.secured, 0);
	close_end(&server);
	close(fd[0]);
	/* those that come a little later meet the handshake */
	make_pair(fd);
	open_end(&server, fd[1], fd[1], NULL);
	server.lines = true;
	server.upgrade = tls_server(context, NULL);
	assert_int_equal(write(fd[0], "STARTTLS\r\n", 10), 10);
	UNTIL(server.got.len > 0);
	assert_int_equal(write(fd[0], "MAIL FROM:<evil>\r\n", 18), 18);
	run(1);
	assert_int_equal(server.why, STREAM_TLS);
	assert_string_equal(server.got.data, "STARTTLS\r\n");
	memset(plain, 0, sizeof(plain));
	assert_true(read(fd[0], plain, sizeof(plain) - 1) >= 8);
	assert_true(strncmp(plain, "220 go\r\n", 8) == 0 && strstr(plain, "secret") == NULL);
	close_end(&server);
	close(fd[0]);
}

static void unverified_peer(void **state)
{
	struct end client, server;
	int fd[2];

	(void)state;
	make_pair(fd);
	open_end(&client, fd[0], fd[0], NULL);
	open_end(&server, fd[1], fd[1], NULL);
	assert_int_equal(stream_secure(client.stream, tls_client(context, "mail.example.com", NULL)), 0);
	assert_int_equal(stream_secure(server.stream, tls_server(context, NULL)), 0);
	assert_int_equal(stream_add(client.stream, "secret"), 0);
	run(2);
	assert_int_equal(client.why, STREAM_TLS);
	assert_non_null(strstr(client.text, "TLS with mail.example.com: hostname mismatch"));
	assert_int_equal(client.secured, 0);
	assert_int_equal(server.got.len, 0);
	close_end(&client);
	close_end(&server);
}

/* Connecting */

static int connected_fd;
static char connected_text[600];
static int connected_family;

static void on_connected(void *arg, int fd, const struct sockaddr_storage *address, const char *text)
{
	(void)arg;
	connected_fd = fd;
	connected_family = address != NULL ? address->ss_family : 0;
	snprintf(connected_text, sizeof(connected_text), "%s", text);
	loop_stop(loop);
}

static struct sockaddr_storage loopback(int family, unsigned port)
{
	struct sockaddr_storage address;

	memset(&address, 0, sizeof(address));
	address.ss_family = (sa_family_t)family;
	if (family == AF_INET) {
		((struct sockaddr_in *)&address)->sin_port = htons((uint16_t)port);
		((struct sockaddr_in *)&address)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	} else {
		((struct sockaddr_in6 *)&address)->sin6_port = htons((uint16_t)port);
		((struct sockaddr_in6 *)&address)->sin6_addr = in6addr_loopback;
	}
	return address;
}

/* backlog: how many connections a listener takes without accepting one. */
static int listen_at(unsigned *port, int backlog)
{
	struct sockaddr_storage address = loopback(AF_INET, 0);
	socklen_t len = sizeof(struct sockaddr_in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	*port = ntohs(((struct sockaddr_in *)&address)->sin_port);
	return fd;
}

static void connecting(void **state)
{
	unsigned port, closed_port;
	int listener = listen_at(&port, 5), other = listen_at(&closed_port, 5);
	struct sockaddr_storage addresses[3];
	char expected[200];

	(void)state;
	close(other);
	/* one that refuses, then one that takes it */
	addresses[0] = loopback(AF_INET, closed_port);
	addresses[1] = loopback(AF_INET, port);
	assert_non_null(stream_connect_new(loop, addresses, 2, on_connected, NULL));
	run(0);
	assert_true(connected_fd >= 0);
	assert_true(fcntl(connected_fd, F_GETFL) & O_NONBLOCK);
	close(connected_fd);
	/* none */
	assert_non_null(stream_connect_new(loop, addresses, 1, on_connected, NULL));
	run(0);
	assert_int_equal(connected_fd, -1);
	snprintf(expected, sizeof(expected), "127.0.0.1:%u: Connection refused", closed_port);
	assert_string_equal(connected_text, expected);
	/* cancelled before and after the first turn */
	stream_connect_cancel(stream_connect_new(loop, addresses, 2, on_connected, NULL));
	stream_connect_cancel(NULL);
	errno = 0;
	addresses[0].ss_family = AF_UNSPEC;
	assert_null(stream_connect_new(loop, addresses, 1, on_connected, NULL));
	assert_int_equal(errno, EINVAL);
	assert_null(stream_connect_new(loop, addresses, 0, on_connected, NULL));
	close(listener);
}

/* All is written, but the peer has not taken it: what it takes later is progress, too, where the kernel is asked. */
static void what_the_kernel_holds(void **state)
{
	struct sockaddr_storage address = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(struct sockaddr_in);
	unsigned port;
	int listener = listen_at(&port, 5), size = 4096, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), peer;
	struct end end;
	uint64_t before;
	char data[65536];

	(void)state;
	address = loopback(AF_INET, port);
	assert_int_equal(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, len), 0);
	peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	assert_true(peer >= 0);
	open_end(&end, fd, fd, &(struct stream_limits){ .output_max = 200000 });
	memset(data, 'x', sizeof(data));
	assert_int_equal(stream_write(end.stream, data, sizeof(data)), 0);
	stream_flush(end.stream);
	UNTIL(stream_waiting(end.stream) == 0);
	run_for(50000);
	stream_look(end.stream);
	before = stream_progress(end.stream);
	run_for(50000);
	stream_look(end.stream);
	assert_true(stream_progress(end.stream) == before);
	for (int turns = 0; turns < 10000 && stream_progress(end.stream) == before; turns++) {
		(void)!read(peer, data, sizeof(data));
		run_for(1000);
		stream_look(end.stream);
	}
	assert_true(stream_progress(end.stream) > before);
	close(peer);
	close_end(&end);
	close(listener);
}

/* A listener whose queue is full answers nothing: after a quarter of a second the next address has its turn. */
static void a_silent_address(void **state)
{
	unsigned silent_port, port;
	int silent = listen_at(&silent_port, 0), listener = listen_at(&port, 5), fillers[4];
	struct sockaddr_storage addresses[2] = { loopback(AF_INET, silent_port), loopback(AF_INET, port) };
	uint64_t begin;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)connect(fillers[i], (struct sockaddr *)&addresses[0], sizeof(struct sockaddr_in));
	}
	begin = clock_boot();
	assert_non_null(stream_connect_new(loop, addresses, 2, on_connected, NULL));
	run(0);
	assert_true(connected_fd >= 0);
	assert_true(clock_boot() - begin >= STREAM_STAGGER);
	close(connected_fd);
	for (size_t i = 0; i < 4; i++)
		close(fillers[i]);
	close(silent);
	close(listener);
}

static void unix_sockets(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct sockaddr_storage storage;
	struct str text = STR_INIT(200);
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", directory);
	memset(&storage, 0, sizeof(storage));
	memcpy(&storage, &address, sizeof(address));
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 5), 0);
	assert_non_null(stream_connect_new(loop, &storage, 1, on_connected, NULL));
	run(0);
	assert_true(connected_fd >= 0);
	assert_int_equal(stream_connect_text(&text, &storage), 0);
	assert_string_equal(text.data, address.sun_path);
	str_cut(&text, 0);
	storage = loopback(AF_INET6, 25);
	assert_int_equal(stream_connect_text(&text, &storage), 0);
	assert_string_equal(text.data, "[::1]:25");
	str_free(&text);
	close(connected_fd);
	close(listener);
	unlink(address.sun_path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines),
		cmocka_unit_test(a_line_too_long),
		cmocka_unit_test(a_full_buffer_stops_reading),
		cmocka_unit_test(pausing),
		cmocka_unit_test(much_output),
		cmocka_unit_test(echo_and_free_in_a_callback),
		cmocka_unit_test(broken_pipe_after_a_last_word),
		cmocka_unit_test(pipes_and_files),
		cmocka_unit_test(starttls),
		cmocka_unit_test(tls_with_a_small_input_buffer),
		cmocka_unit_test(injected_commands),
		cmocka_unit_test(unverified_peer),
		cmocka_unit_test(connecting),
		cmocka_unit_test(what_the_kernel_holds),
		cmocka_unit_test(a_silent_address),
		cmocka_unit_test(unix_sockets),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
