/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "ctrl_internal.h"

#define HELLO "8:Hqueue 1,"

/* One side runs in a hub, the other is a plain descriptor that the test reads and writes itself. */
struct test {
	struct loop *loop;
	struct ctrl_hub *hub;
	struct ctrl *c, *victim;
	int peer;
	struct str log;			/* what the callbacks saw */
	unsigned frames, closed, writable, idle, accepted;
	bool broken, keep_ended, in_new;
	const char *(*on_frame)(struct test *t, struct ctrl *c, struct frame frame);
	struct loop_timer limit;
	char directory[40];
};

static const char *frame(void *arg, struct ctrl *c, struct frame f)
{
	struct test *t = arg;

	t->frames++;
	if (t->log.len < 1000) {
		assert_int_equal(str_add_char(&t->log, f.type), 0);
		assert_int_equal(str_append(&t->log, f.value.data, f.value.len < 20 ? f.value.len : 20), 0);
		assert_int_equal(str_add_char(&t->log, ' '), 0);
	}
	return t->on_frame != NULL ? t->on_frame(t, c, f) : NULL;
}

static void closed(void *arg, struct ctrl *c, const char *why, bool broken)
{
	struct test *t = arg;

	assert_false(t->in_new);
	assert_int_equal(ctrl_send(c, 'X', span_of("")), -1);
	assert_int_equal(errno, EPIPE);
	ctrl_close(c);
	ctrl_pause(c, true);
	ctrl_flush(c);
	t->closed++;
	t->broken = broken;
	assert_int_equal(str_printf(&t->log, "[%s]", why), 0);
	if (c == t->c)
		t->c = NULL;
	loop_stop(t->loop);
}

static void writable(void *arg, struct ctrl *c)
{
	(void)c;
	((struct test *)arg)->writable++;
}

static void idle(void *arg, struct ctrl *c)
{
	(void)c;
	((struct test *)arg)->idle++;
}

static bool ended(void *arg, struct ctrl *c)
{
	(void)c;
	return ((struct test *)arg)->keep_ended;
}

static const struct ctrl_ops ops = { .frame = frame, .closed = closed, .writable = writable, .idle = idle, .ended = ended };
static const struct ctrl_ops strict_ops = { .frame = frame, .closed = closed, .refuse_fds = true };

static void time_is_up(void *arg)
{
	loop_stop(((struct test *)arg)->loop);
}

/* Runs the loop until something stops it, or for so many milliseconds */
static void run(struct test *t, unsigned milliseconds)
{
	assert_int_equal(loop_timer_set(t->loop, &t->limit, clock_boot() + milliseconds * 1000), 0);
	assert_int_equal(loop_run(t->loop), 0);
}

static void connect_pair(struct test *t, const struct ctrl_ops *with)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	t->in_new = true;
	t->c = ctrl_new(t->hub, pair[0], with, t);
	t->in_new = false;
	assert_non_null(t->c);
	t->peer = pair[1];
	assert_true(fcntl(pair[0], F_GETFL) & O_NONBLOCK);
	assert_int_equal(fcntl(t->peer, F_SETFL, O_NONBLOCK), 0);
}

static int set_up(void **state)
{
	struct test *t = calloc(1, sizeof(*t));

	if (t == NULL || (t->loop = loop_new()) == NULL || (t->hub = ctrl_hub_new(t->loop, "queue", 4 << 20)) == NULL)
		return -1;
	t->log = (struct str)STR_INIT(4096);
	t->peer = -1;
	loop_timer_init(&t->limit, time_is_up, t);
	strcpy(t->directory, "/tmp/lib_ctrl.XXXXXX");
	*state = t;
	return mkdtemp(t->directory) != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
	struct test *t = *state;
	char command[100];

	loop_timer_clear(t->loop, &t->limit);
	ctrl_hub_free(t->hub);
	loop_free(t->loop);
	if (t->peer >= 0)
		close(t->peer);
	str_free(&t->log);
	snprintf(command, sizeof(command), "rm -rf %s", t->directory);
	if (system(command) != 0)
		return -1;
	free(t);
	return 0;
}

static void say(struct test *t, const char *text)
{
	assert_int_equal(send(t->peer, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Everything that the peer can read now */
static void expect(struct test *t, const char *text)
{
	char buffer[4096];
	ssize_t n = recv(t->peer, buffer, sizeof(buffer) - 1, 0);

	buffer[n > 0 ? n : 0] = '\0';
	assert_string_equal(buffer, text);
}

static void greets_and_delivers(void **state)
{
	struct test *t = *state;

	connect_pair(t, &ops);
	assert_int_equal(ctrl_peer(t->c).pid, getpid());
	assert_int_equal(ctrl_peer(t->c).uid, getuid());
	assert_int_equal(ctrl_peer_stage(t->c).len, 0);
	assert_ptr_equal(ctrl_arg(t->c), t);
	say(t, "9:Hhand-2 1,4:Mabc,1:E,");
	run(t, 10);
	assert_true(span_is(ctrl_peer_stage(t->c), "hand-2"));
	assert_string_equal(t->log.data, "Mabc E ");
	assert_int_equal(t->idle, 1);
	assert_int_equal(ctrl_printf(t->c, 'K', "%s %d", "id", 1), 0);
	assert_int_equal(ctrl_send(t->c, 'E', span_of("")), 0);
	assert_int_equal(ctrl_hub_buffered(t->hub), ctrl_unsent(t->c));
	run(t, 10);
	assert_int_equal(ctrl_hub_buffered(t->hub), 0);
	expect(t, HELLO "5:Kid 1,1:E,");
	close(t->peer);
	t->peer = -1;
	run(t, 1000);
	assert_string_equal(t->log.data, "Mabc E [end of file]");
	assert_false(t->broken);
	assert_int_equal(t->closed, 1);
}

static void splits_do_not_matter(void **state)
{
	static const char text[] = HELLO "4:Mabc,10:B,,3:1:,,,,1:E,4:Mabc,";
	struct test *t = *state;

	srand(5);
	for (int round = 0; round < 30; round++) {
		connect_pair(t, &ops);
		str_cut(&t->log, 0);
		for (size_t at = 0; at < sizeof(text) - 1;) {
			size_t n = round == 0 ? 1 : 1 + (size_t)rand() % 9;

			if (n > sizeof(text) - 1 - at)
				n = sizeof(text) - 1 - at;
			assert_int_equal(write(t->peer, text + at, n), n);
			at += n;
			run(t, 0);
			run(t, 0);
		}
		run(t, 2);
		assert_string_equal(t->log.data, "Mabc B,,3:1:,,, E Mabc ");
		close(t->peer);
		t->peer = -1;
		run(t, 1000);
	}
	assert_int_equal(ctrl_hub_buffered(t->hub), 0);
}

static void bad_peers_are_dropped(void **state)
{
	static const struct {
		const char *says, *log;
	} cases[] = {
		{ "1:E,", "[no hello]" },
		{ "3:H 1,", "[no hello]" },
		{ "2:Hx,", "[no hello]" },
		{ "4:HX 1,", "[no hello]" },
		{ "5:Hx 1 ,", "[no hello]" },
		{ "36:Habcdefghijklmnopqrstuvwxyz0123456 1,", "[no hello]" },
		{ "4:Hx 2,", "[unknown protocol version]" },
		{ "GET / HTTP/1.0\r\n", "[bad frame]" },
		{ HELLO "1:E,01:E,1:E,", "E [bad frame]" },
		{ HELLO "1:E,99999", "E [bad frame]" },
		{ HELLO "0:,", "[bad frame]" },
		{ HELLO "1:EE", "[bad frame]" },
	};
	struct test *t = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		connect_pair(t, &ops);
		str_cut(&t->log, 0);
		say(t, cases[i].says);
		run(t, 1000);
		assert_string_equal(t->log.data, cases[i].log);
		assert_true(t->broken);
		assert_int_equal(t->closed, i + 1);
		close(t->peer);
	}
	t->peer = -1;
}

static const char *refuse(struct test *t, struct ctrl *c, struct frame f)
{
	(void)t;
	(void)f;
	assert_int_equal(ctrl_send(c, 'X', span_of("no")), 0);
	return "a frame nobody wants";
}

static void stage_refuses(void **state)
{
	struct test *t = *state;

	connect_pair(t, &ops);
	t->on_frame = refuse;
	say(t, HELLO "1:A,1:B,");
	run(t, 1000);
	assert_string_equal(t->log.data, "A [a frame nobody wants]");
	assert_true(t->broken);
	expect(t, HELLO "3:Xno,");
}

static const char *close_at_b(struct test *t, struct ctrl *c, struct frame f)
{
	if (f.type != 'B')
		return NULL;
	assert_int_equal(ctrl_send(c, 'Z', span_of("bye")), 0);
	ctrl_close(c);
	assert_int_equal(ctrl_send(c, 'Z', span_of("bye")), -1);
	if (t->victim != NULL)
		ctrl_close(t->victim);
	return NULL;
}

static void closes_in_a_callback(void **state)
{
	struct test *t = *state;
	int other;

	connect_pair(t, &ops);
	t->victim = t->c;
	other = t->peer;
	connect_pair(t, &ops);
	t->on_frame = close_at_b;
	assert_int_equal(write(other, HELLO "1:A,1:B,1:C,", 23), 23);
	say(t, HELLO "1:A,1:B,1:C,");
	run(t, 1000);
	assert_int_equal(t->closed, 2);
	assert_false(t->broken);
	/* whichever came first closed the other before its frames, or both had their A and B */
	assert_null(strstr(t->log.data, "C"));
	assert_non_null(strstr(t->log.data, "A B [closed]"));
	assert_int_equal(ctrl_hub_buffered(t->hub), 0);
	close(other);
}

static const char *pause_at_b(struct test *t, struct ctrl *c, struct frame f)
{
	(void)t;
	if (f.type == 'B')
		ctrl_pause(c, true);
	return NULL;
}

static void paused_frames_wait(void **state)
{
	struct test *t = *state;

	connect_pair(t, &ops);
	t->on_frame = pause_at_b;
	say(t, HELLO "1:A,1:B,1:C,1:B,1:D,3:x");
	run(t, 10);
	assert_string_equal(t->log.data, "A B ");
	assert_int_equal(t->idle, 0);
	say(t, "yz,1:E,");
	run(t, 10);
	assert_string_equal(t->log.data, "A B ");
	ctrl_pause(t->c, false);
	run(t, 10);
	assert_string_equal(t->log.data, "A B C B ");
	ctrl_pause(t->c, false);
	run(t, 10);
	assert_string_equal(t->log.data, "A B C B D xyz E ");
	assert_int_equal(ctrl_hub_buffered(t->hub), 0);
}

static void paused_hangup_does_not_spin(void **state)
{
	struct test *t = *state;

	connect_pair(t, &ops);
	say(t, HELLO "1:A,");
	ctrl_pause(t->c, true);
	close(t->peer);
	t->peer = -1;
	run(t, 20);
	assert_int_equal(t->frames + t->closed, 0);
	ctrl_pause(t->c, false);
	run(t, 1000);
	assert_string_equal(t->log.data, "A [end of file]");
}

static void keeps_a_half_closed_peer(void **state)
{
	struct test *t = *state;

	t->keep_ended = true;
	connect_pair(t, &ops);
	say(t, HELLO "1:E,");
	shutdown(t->peer, SHUT_WR);
	run(t, 20);
	assert_int_equal(t->closed, 0);
	assert_int_equal(ctrl_send(t->c, 'K', span_of("late")), 0);
	run(t, 10);
	expect(t, HELLO "5:Klate,");
	close(t->peer);
	t->peer = -1;
	run(t, 1000);
	assert_string_equal(t->log.data, "E [end of file]");
}

static const char *answer_big(struct test *t, struct ctrl *c, struct frame f)
{
	static const char zeros[40000];

	(void)t;
	(void)f;
	assert_int_equal(ctrl_send(c, 'Z', (struct span){ zeros, sizeof(zeros) }), 0);
	return NULL;
}

static size_t drain(int fd)
{
	char buffer[65536];
	size_t total = 0;
	ssize_t n;

	while ((n = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT)) > 0)
		total += (size_t)n;
	return total;
}

/* 100 requests of 4 bytes ask for 4 MB: a peer that does not read gets a bounded part, the others wait, and all arrive once it reads */
static void slow_readers_cost_a_buffer(void **state)
{
	struct test *t = *state;
	size_t total = 0;

	connect_pair(t, &ops);
	t->on_frame = answer_big;
	say(t, HELLO);
	for (int i = 0; i < 100; i++)
		say(t, "1:A,");
	run(t, 20);
	assert_true(t->frames < 20);
	assert_true(ctrl_unsent(t->c) >= CTRL_OUT_PAUSE && ctrl_unsent(t->c) < CTRL_OUT_PAUSE + 50000);
	for (int i = 0; i < 1000 && t->frames < 100; i++) {
		total += drain(t->peer);
		run(t, 1);
	}
	for (int i = 0; i < 100; i++) {
		total += drain(t->peer);
		run(t, 0);
	}
	total += drain(t->peer);
	assert_int_equal(t->frames, 100);
	assert_int_equal(total, sizeof(HELLO) - 1 + 100 * (6 + 40001 + 1));
	assert_true(t->writable > 0);
	assert_int_equal(ctrl_hub_buffered(t->hub), 0);
}

static void gives_up_on_endless_output(void **state)
{
	struct test *t = *state;
	static const char zeros[65000];
	int sent = 0;

	connect_pair(t, &ops);
	assert_int_equal(ctrl_send(t->c, 'Z', (struct span){ zeros, FRAME_MAX }), -1);
	assert_int_equal(errno, EMSGSIZE);
	t->in_new = true;
	while (ctrl_send(t->c, 'Z', (struct span){ zeros, sizeof(zeros) }) == 0)
		sent++;
	t->in_new = false;
	assert_int_equal(errno, ENOBUFS);
	assert_in_range(sent, 250, 258);
	run(t, 1000);
	assert_int_equal(t->closed, 1);
	assert_string_equal(t->log.data, "[the peer takes no output]");
}

/* What the peer said before it went counts, though nothing can be sent to it any more */
static void reads_on_after_a_broken_pipe(void **state)
{
	struct test *t = *state;

	connect_pair(t, &ops);
	run(t, 5);
	say(t, HELLO "2:K1,");
	shutdown(t->peer, SHUT_RD);
	assert_int_equal(ctrl_send(t->c, 'M', span_of("x")), 0);
	ctrl_flush(t->c);
	assert_int_equal(ctrl_send(t->c, 'M', span_of("x")), -1);
	assert_int_equal(errno, EPIPE);
	run(t, 20);
	close(t->peer);
	t->peer = -1;
	run(t, 1000);
	/* reset, for the peer had not read our hello */
	assert_string_equal(t->log.data, "K1 [Connection reset by peer]");
}

static void at_the_cap_reading_stops(void **state)
{
	struct test *t = *state;
	struct ctrl *hog;
	int hog_peer;
	static const char zeros[50000];

	ctrl_hub_free(t->hub);
	t->hub = ctrl_hub_new(t->loop, "queue", 100000);
	assert_non_null(t->hub);
	connect_pair(t, &ops);
	hog = t->c;
	hog_peer = t->peer;
	for (int i = 0; i < 10; i++)
		assert_int_equal(ctrl_send(hog, 'Z', (struct span){ zeros, sizeof(zeros) }), 0);
	run(t, 5);
	assert_true(ctrl_hub_buffered(t->hub) > 100000);
	connect_pair(t, &ops);
	run(t, 5);
	say(t, HELLO "1:A,");
	run(t, 20);
	assert_int_equal(t->frames, 0);
	for (int i = 0; i < 20; i++) {
		drain(hog_peer);
		run(t, 1);
	}
	assert_string_equal(t->log.data, "A ");
	close(hog_peer);
	run(t, 1000);
	assert_int_equal(t->closed, 1);
}

/* Ten seconds pass by moving the connection's last progress into the past */
static void at_the_cap_the_stalled_are_dropped(void **state)
{
	struct test *t = *state;
	static const char zeros[50000];
	int hog_peer;

	ctrl_hub_free(t->hub);
	t->hub = ctrl_hub_new(t->loop, "queue", 100000);
	assert_non_null(t->hub);
	connect_pair(t, &ops);
	hog_peer = t->peer;
	for (int i = 0; i < 10; i++)
		assert_int_equal(ctrl_send(t->c, 'Z', (struct span){ zeros, sizeof(zeros) }), 0);
	run(t, 5);
	assert_true(loop_timer_is_set(&t->hub->stall));
	t->c->progress = 0;
	connect_pair(t, &ops);
	say(t, HELLO "1:A,");
	assert_int_equal(loop_timer_set(t->loop, &t->hub->stall, 0), 0);
	run(t, 1000);
	assert_int_equal(t->closed, 1);
	run(t, 20);
	assert_string_equal(t->log.data, "[no progress while the buffers are full]A ");
	assert_false(loop_timer_is_set(&t->hub->stall));
	close(hog_peer);
}

static void send_fds(int socket, const char *text, const int *fds, size_t count)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int) * 100)];
	} space;
	struct iovec part = { (char *)(uintptr_t)text, strlen(text) };
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = &space, .msg_controllen = (socklen_t)CMSG_SPACE(sizeof(int) * count),
	};

	memset(&space, 0, sizeof(space));
	space.head.cmsg_level = SOL_SOCKET;
	space.head.cmsg_type = SCM_RIGHTS;
	space.head.cmsg_len = (socklen_t)CMSG_LEN(sizeof(int) * count);
	memcpy(CMSG_DATA(&space.head), fds, sizeof(int) * count);
	assert_int_equal(sendmsg(socket, &message, 0), (ssize_t)strlen(text));
}

static int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 1000; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			n++;
	return n;
}

static const char *take_one(struct test *t, struct ctrl *c, struct frame f)
{
	char byte = 0;
	int fd;

	if (f.type != 'F')
		return NULL;
	fd = ctrl_take_fd(c);
	if (fd < 0)
		return "F without a descriptor";
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(pread(fd, &byte, 1, 0), 1);
	assert_int_equal(byte, f.value.data[0]);
	close(fd);
	t->accepted++;
	return NULL;
}

static int file_with(struct test *t, char byte)
{
	char path[80];
	int fd;

	snprintf(path, sizeof(path), "%s/file", t->directory);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, &byte, 1), 1);
	unlink(path);
	return fd;
}

/* Two connections of one hub: many descriptors, each with its own frame, with large ones between, through full buffers */
static void descriptors_arrive_with_their_frames(void **state)
{
	struct test *t = *state;
	static const char zeros[30000];
	struct ctrl *from, *to;
	int pair[2], before = count_fds(), queued = 0;

	t->on_frame = take_one;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	from = ctrl_new(t->hub, pair[0], &ops, t);
	to = ctrl_new(t->hub, pair[1], &ops, t);
	assert_non_null(from);
	assert_non_null(to);
	while (queued < 300) {
		char byte = (char)(queued % 100);
		int fd = file_with(t, byte);

		assert_int_equal(ctrl_send(from, 'B', (struct span){ zeros, sizeof(zeros) / (1 + (size_t)queued % 7) }), 0);
		if (ctrl_send_fd(from, 'F', (struct span){ &byte, 1 }, fd) < 0) {
			assert_int_equal(errno, EAGAIN);
			close(fd);
			run(t, 1);
			continue;
		}
		queued++;
	}
	run(t, 50);
	assert_int_equal(t->accepted, 300);
	assert_true(t->writable > 0);
	assert_int_equal(t->closed, 0);
	ctrl_close(from);
	run(t, 1000);
	run(t, 10);
	assert_int_equal(t->closed, 2);
	assert_int_equal(count_fds(), before);
}

static void stray_descriptors_do_not_pile_up(void **state)
{
	struct test *t = *state;
	int before = count_fds(), fds[70], fd;

	fd = open("/dev/null", O_RDONLY);
	for (size_t i = 0; i < 70; i++)
		fds[i] = fd;
	connect_pair(t, &ops);
	send_fds(t->peer, HELLO, fds, 64);
	run(t, 10);
	assert_int_equal(t->closed, 0);
	send_fds(t->peer, "1:A,", fds, 1);
	run(t, 1000);
	assert_string_equal(t->log.data, "[too many descriptors]");
	assert_true(t->broken);
	close(t->peer);

	str_cut(&t->log, 0);
	connect_pair(t, &ops);
	send_fds(t->peer, HELLO, fds, 70);
	run(t, 1000);
	assert_string_equal(t->log.data, "[descriptors were lost]");
	close(t->peer);

	str_cut(&t->log, 0);
	connect_pair(t, &strict_ops);
	send_fds(t->peer, HELLO, fds, 1);
	run(t, 1000);
	assert_string_equal(t->log.data, "[unexpected descriptor]");
	close(t->peer);
	t->peer = -1;
	close(fd);
	assert_int_equal(count_fds(), before);
}

static void *accept_any(void *arg, struct ctrl_peer peer, struct ctrl *c)
{
	struct test *t = arg;

	assert_int_equal(peer.pid, getpid());
	t->accepted++;
	if (t->accepted == 3) {
		assert_int_equal(ctrl_send(c, 'Z', span_of("busy")), 0);
		return NULL;
	}
	return t;
}

static void bind_at(struct test *t, const char *name, int *fd, int *lock, char path[static 300])
{
	snprintf(path, 300, "%s/%s", t->directory, name);
	assert_int_equal(ctrl_bind(path, 0640, (uid_t)-1, getgid(), fd, lock), 0);
}

static void listens_up_to_its_limit(void **state)
{
	struct test *t = *state;
	char path[300], buffer[100];
	struct ctrl_listener *l;
	int fd, lock, peers[4];
	ssize_t n;

	bind_at(t, "s.ctrl", &fd, &lock, path);
	l = ctrl_listen(t->hub, fd, 2, &ops, accept_any, t);
	assert_non_null(l);
	for (size_t i = 0; i < 4; i++) {
		peers[i] = ctrl_connect(path);
		assert_true(peers[i] >= 0);
	}
	run(t, 20);
	assert_int_equal(t->accepted, 2);
	close(peers[0]);
	run(t, 1000);
	assert_int_equal(t->closed, 1);
	/* the third is refused, which makes room for the fourth */
	run(t, 20);
	assert_int_equal(t->accepted, 4);
	assert_int_equal(t->closed, 1);
	n = recv(peers[2], buffer, sizeof(buffer) - 1, 0);
	assert_true(n > 0);
	buffer[n] = '\0';
	assert_string_equal(buffer, HELLO "5:Zbusy,");
	assert_int_equal(recv(peers[2], buffer, sizeof(buffer), 0), 0);
	ctrl_listener_close(l);
	assert_int_equal(write(peers[3], HELLO "1:A,", 15), 15);
	run(t, 20);
	assert_string_equal(t->log.data, "[Connection reset by peer]A ");
	for (size_t i = 1; i < 4; i++)
		close(peers[i]);
	run(t, 20);
	run(t, 20);
	assert_int_equal(t->closed, 3);
	close(fd);
	close(lock);
}

static bool count_turn(void *arg)
{
	++*(unsigned *)arg;
	return false;
}

static void no_descriptors_left_does_not_spin(void **state)
{
	struct test *t = *state;
	struct ctrl_listener *l;
	struct rlimit limit, low;
	char path[300];
	int fd, lock, peer;
	unsigned turns = 0;

	bind_at(t, "s.ctrl", &fd, &lock, path);
	l = ctrl_listen(t->hub, fd, 2, &ops, accept_any, t);
	assert_non_null(l);
	peer = ctrl_connect(path);
	assert_true(peer >= 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = limit;
	low.rlim_cur = (rlim_t)peer + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	assert_int_equal(loop_turn(t->loop, count_turn, &turns), 0);
	run(t, 250);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(t->accepted, 0);
	assert_in_range(turns, 3, 12);
	run(t, 200);
	assert_int_equal(t->accepted, 1);
	close(peer);
	run(t, 1000);
	ctrl_listener_close(l);
	close(fd);
	close(lock);
}

static void binds_once_with_its_access(void **state)
{
	struct test *t = *state;
	char path[300], other[320];
	struct stat status;
	int fd, lock, fd2, lock2, c;
	mode_t mask = umask(0077);

	bind_at(t, "s.ctrl", &fd, &lock, path);
	umask(mask);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0640);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(lock, F_GETFD) & FD_CLOEXEC);
	errno = 0;
	assert_int_equal(ctrl_bind(path, 0640, (uid_t)-1, (gid_t)-1, &fd2, &lock2), -1);
	assert_int_equal(errno, EBUSY);
	assert_int_equal(fd2, -1);
	/* the next one replaces what a dead one left, a name beside it too */
	close(fd);
	close(lock);
	c = ctrl_connect(path);
	assert_int_equal(c, -1);
	assert_int_equal(errno, ECONNREFUSED);
	snprintf(other, sizeof(other), "%s.new", path);
	assert_int_equal(rename(path, other), 0);
	bind_at(t, "s.ctrl", &fd, &lock, path);
	assert_int_equal(lstat(other, &status), -1);
	c = ctrl_connect(path);
	assert_true(c >= 0);
	assert_true(fcntl(c, F_GETFL) & O_NONBLOCK);
	close(c);
	close(fd);
	close(lock);
}

static void touches_no_other_files(void **state)
{
	struct test *t = *state;
	char path[300], other[320];
	int fd, lock, file;

	snprintf(path, sizeof(path), "%s/plain", t->directory);
	file = open(path, O_WRONLY | O_CREAT, 0600);
	assert_true(file >= 0);
	close(file);
	assert_int_equal(ctrl_bind(path, 0600, (uid_t)-1, (gid_t)-1, &fd, &lock), -1);
	assert_int_equal(errno, EEXIST);
	snprintf(path, sizeof(path), "%s/s.ctrl", t->directory);
	snprintf(other, sizeof(other), "%s.lock", path);
	assert_int_equal(symlink("/dev/null", other), 0);
	assert_int_equal(ctrl_bind(path, 0600, (uid_t)-1, (gid_t)-1, &fd, &lock), -1);
	assert_int_equal(errno, ELOOP);
	assert_int_equal(ctrl_connect(""), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(ctrl_connect("/nowhere/s.ctrl"), -1);
	assert_int_equal(errno, ENOENT);
}

static void long_paths_work(void **state)
{
	struct test *t = *state;
	char path[300], name[200];
	int fd, lock, c;

	memset(name, 'd', 150);
	name[150] = '\0';
	snprintf(path, sizeof(path), "%s/%s", t->directory, name);
	assert_int_equal(mkdir(path, 0700), 0);
	strcpy(name + 150, "/s.ctrl");
	bind_at(t, name, &fd, &lock, path);
	c = ctrl_connect(path);
	assert_true(c >= 0);
	close(c);
	close(fd);
	close(lock);
	name[150] = 'e';
	snprintf(path, sizeof(path), "%s/%.120s", t->directory, name);
	assert_int_equal(ctrl_connect(path), -1);
	assert_int_equal(errno, ENAMETOOLONG);
}

static void hub_wants_a_sane_name(void **state)
{
	struct test *t = *state;

	assert_null(ctrl_hub_new(t->loop, "", 1000));
	assert_null(ctrl_hub_new(t->loop, "No", 1000));
	assert_null(ctrl_hub_new(t->loop, "abcdefghijklmnopqrstuvwxyz0123456", 1000));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(greets_and_delivers),
		TEST(splits_do_not_matter),
		TEST(bad_peers_are_dropped),
		TEST(stage_refuses),
		TEST(closes_in_a_callback),
		TEST(paused_frames_wait),
		TEST(paused_hangup_does_not_spin),
		TEST(keeps_a_half_closed_peer),
		TEST(slow_readers_cost_a_buffer),
		TEST(gives_up_on_endless_output),
		TEST(reads_on_after_a_broken_pipe),
		TEST(at_the_cap_reading_stops),
		TEST(at_the_cap_the_stalled_are_dropped),
		TEST(descriptors_arrive_with_their_frames),
		TEST(stray_descriptors_do_not_pile_up),
		TEST(listens_up_to_its_limit),
		TEST(no_descriptors_left_does_not_spin),
		TEST(binds_once_with_its_access),
		TEST(touches_no_other_files),
		TEST(long_paths_work),
		TEST(hub_wants_a_sane_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
