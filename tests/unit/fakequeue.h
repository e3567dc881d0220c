/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A queue for tests: a thread that speaks queue.ctrl as a script says, one act a connection (the last one for all that follow). */
#ifndef FAKEQUEUE_H
#define FAKEQUEUE_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "frame.h"

enum fake_act {
	FAKE_SERVE,		/* as a sound queue does */
	FAKE_GONE,		/* close at once */
	FAKE_CUT_AT_M, FAKE_CUT_AT_R, FAKE_CUT_AT_B,	/* close on the first of these */
	FAKE_CUT_AT_E,		/* forget the message and close without an answer */
	FAKE_STORED_CUT,	/* store it and close without an answer */
	FAKE_HALF_ANSWER,	/* store it, send half an answer, close */
	FAKE_Z_AT_M, FAKE_X_AT_M,	/* answer early, pass over the rest */
	FAKE_X_AT_M_CUT,	/* answer early, then close */
	FAKE_Z, FAKE_X,		/* at E */
	FAKE_SILENT,		/* store it and say nothing */
	FAKE_GARBAGE		/* no netstrings */
};

#define FAKE_ACTS 16

struct fake {
	char dir[64], path[80];
	int fd;
	pthread_t thread;
	enum fake_act acts[FAKE_ACTS];
	size_t count, connections;
	size_t stored, asked, copies;	/* messages; Q frames; messages whose key was known */
	size_t hellos, sends;
	char key[40];			/* of the last stored message */
	char begun[40];			/* of the last M */
	struct str envelope, message;	/* of the one that is coming, or of the last stored */
};

static void fake_answer(int c, char type, const char *key, const char *text)
{
	struct str out = STR_INIT(FRAME_MAX);

	frame_printf(&out, type, "%s%s%s", key, text[0] ? " " : "", text);
	(void)!send(c, out.data, out.len, MSG_NOSIGNAL);
	str_free(&out);
}

/* False: close. */
static bool fake_end(struct fake *f, int c, enum fake_act act)
{
	if (act == FAKE_CUT_AT_E || act == FAKE_GARBAGE)
		return false;
	if (act == FAKE_Z || act == FAKE_X) {
		fake_answer(c, act == FAKE_Z ? 'Z' : 'X', f->begun, "because of the test");
		return true;
	}
	if (strcmp(f->key, f->begun) == 0)
		f->copies++;
	else
		f->stored++;
	memcpy(f->key, f->begun, sizeof f->key);
	if (act == FAKE_STORED_CUT)
		return false;
	if (act == FAKE_HALF_ANSWER) {
		(void)!send(c, "70:K01234", 9, MSG_NOSIGNAL);
		return false;
	}
	if (act != FAKE_SILENT)
		fake_answer(c, 'K', f->begun, "1763712345123456-9f8e7d6c5b4a3921-0");
	return true;
}

static bool fake_frame(struct fake *f, int c, enum fake_act act, struct frame frame, bool *passing)
{
	switch (frame.type) {
	case 'H':
		f->hellos++;
		return true;
	case 'M':
		str_cut(&f->envelope, 0);
		str_cut(&f->message, 0);
		snprintf(f->begun, sizeof f->begun, "%.*s", (int)frame.value.len, frame.value.data);
		*passing = act == FAKE_Z_AT_M || act == FAKE_X_AT_M || act == FAKE_X_AT_M_CUT;
		if (*passing)
			fake_answer(c, act == FAKE_Z_AT_M ? 'Z' : 'X', f->begun, "early");
		return act != FAKE_CUT_AT_M && act != FAKE_X_AT_M_CUT;
	case 'S': case 'A': case 'R': case 'r':
		str_add_char(&f->envelope, frame.type);
		str_add_span(&f->envelope, frame.value);
		str_add_char(&f->envelope, '\n');
		return frame.type != 'R' || act != FAKE_CUT_AT_R;
	case 'B':
		str_add_span(&f->message, frame.value);
		return act != FAKE_CUT_AT_B;
	case 'E':
		return *passing || fake_end(f, c, act);
	case 'Q':
		f->asked++;
		if (act == FAKE_SILENT)
			return true;
		if (span_is(frame.value, f->key))
			fake_answer(c, 'K', f->key, "1763712345123456-9f8e7d6c5b4a3921-0");
		else {
			snprintf(f->begun, sizeof f->begun, "%.*s", (int)frame.value.len, frame.value.data);
			fake_answer(c, 'N', f->begun, "");
		}
		return true;
	default:
		return false;
	}
}

static void fake_connection(struct fake *f, int c, enum fake_act act)
{
	struct str in = STR_INIT(1024 * 1024);
	struct frame frame;
	size_t used;
	bool open = act != FAKE_GONE, passing = false;
	ssize_t n;

	if (open)
		(void)!send(c, act == FAKE_GARBAGE ? "hello\n" : "8:Hqueue 1,", act == FAKE_GARBAGE ? 6 : 11, MSG_NOSIGNAL);
	while (open && str_reserve(&in, 65536) == 0 && (n = recv(c, in.data + in.len, 65536, 0)) > 0) {
		f->sends++;
		in.len += (size_t)n;
		while (open && frame_take(in.data, in.len, &frame, &used) == FRAME_WHOLE) {
			open = fake_frame(f, c, act, frame, &passing);
			str_shift(&in, used);
		}
	}
	str_free(&in);
	close(c);
}

static void *fake_run(void *arg)
{
	struct fake *f = arg;
	int c;

	while ((c = accept(f->fd, NULL, NULL)) >= 0) {
		size_t n = f->connections++;

		fake_connection(f, c, f->acts[n < f->count ? n : f->count - 1]);
	}
	return NULL;
}

static void fake_prepare(struct fake *f)
{
	memset(f, 0, sizeof *f);
	f->envelope = (struct str)STR_INIT(16 * 1024 * 1024);
	f->message = (struct str)STR_INIT(64 * 1024 * 1024);
	snprintf(f->dir, sizeof f->dir, "/tmp/fakequeue.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof f->path, "%s/q", f->dir);
	f->fd = -1;
}

static void fake_listen(struct fake *f)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };

	snprintf(name.sun_path, sizeof name.sun_path, "%s", f->path);
	f->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(f->fd, (struct sockaddr *)&name, sizeof name), 0);
	assert_int_equal(listen(f->fd, 8), 0);
	assert_int_equal(pthread_create(&f->thread, NULL, fake_run, f), 0);
}

/* acts end with -1 */
static void fake_start(struct fake *f, const int *acts)
{
	fake_prepare(f);
	for (; acts[f->count] >= 0; f->count++)
		f->acts[f->count] = (enum fake_act)acts[f->count];
	fake_listen(f);
}

/* Ends the thread, so that what it noted can be looked at. */
static void fake_stop(struct fake *f)
{
	if (f->fd >= 0) {
		shutdown(f->fd, SHUT_RDWR);
		pthread_join(f->thread, NULL);
		close(f->fd);
		f->fd = -1;
	}
}

static void fake_free(struct fake *f)
{
	fake_stop(f);
	unlink(f->path);
	rmdir(f->dir);
	str_free(&f->envelope);
	str_free(&f->message);
}

#endif
