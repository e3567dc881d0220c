/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * libFuzzer: the first byte chooses.  Even: the rest is what a server says to a session, in pieces; odd: the rest is a message on its way to the wire, whole and in pieces.
 * clang -fsanitize=fuzzer,address,undefined -Ilib tests/fuzz/remote.c remote.a libdeaddrop.a -lssl -lcrypto
 */
#include <stdlib.h>
#include <string.h>

#include "../../remote/session.h"
#include "dots.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX (16U << 20)

/* ---- a session ---- */

struct world {
	struct session *session;
	struct mail *mail;
	unsigned flags;
	bool securing, identifying, ready, over, back;
	size_t sends, room;
	struct str out;
};

static int do_write(void *arg, const void *data, size_t len)
{
	struct world *w = arg;

	if (len > w->room)
		abort();
	w->room -= len;
	return w->out.len > MAX / 2 ? 0 : str_append(&w->out, data, len);
}

static size_t do_room(void *arg)
{
	return ((struct world *)arg)->room;
}

static int do_secure(void *arg, struct str *error)
{
	struct world *w = arg;

	if (w->flags & 32)
		return str_add(error, "no"), -1;
	w->securing = true;
	return 0;
}

static void do_identify(void *arg)
{
	((struct world *)arg)->identifying = true;
}

static void do_ready(void *arg)
{
	((struct world *)arg)->ready = true;
}

static void do_sent(void *arg, struct mail *mail)
{
	struct world *w = arg;

	if (w->back || mail != w->mail)
		abort();
	w->back = true;
	for (size_t n = 0; n < mail->job->count; n++)
		if (mail->states[n] != MAIL_SETTLED && mail->states[n] != MAIL_WAITING)
			abort();
}

static void do_over(void *arg, enum session_end why, const char *text)
{
	struct world *w = arg;

	if (w->over || !text)
		abort();
	(void)why;
	w->over = true;
}

static void aside(struct world *w)
{
	const struct sasl_identity identity = { .user = { "frank", 5 }, .password = { "pw", 2 }, .host = "h", .clear = w->flags & 64 };

	if (w->securing) {
		w->securing = false;
		session_secured(w->session);
	} else if (w->identifying) {
		w->identifying = false;
		session_login(w->session, w->flags & 16 ? &identity : NULL, "none");
	} else if (w->ready && !w->over && session_is_ready(w->session)) {
		w->ready = false;
		if (w->sends && w->back && !mail_count(w->mail, MAIL_WAITING)) {
			session_quit(w->session);
		} else {
			w->sends++;
			w->back = false;
			session_send(w->session, w->mail);
		}
	}
}

static struct deliver_job *make_job(bool large)
{
	static const char *const rcpts[] = { "a@b.example", "c@d.example", "a@b.example", "\xc3\xa4@b.example" };
	struct deliver_job *job = deliver_job_new();

	if (!job || str_add(&job->sender, "me@x.example") < 0 || str_add(&job->head, "Subject: x\n\n.hello\n") < 0)
		abort();
	for (size_t i = 0; i < sizeof rcpts / sizeof rcpts[0]; i++)
		if (deliver_job_add_recipient(job, span_of(rcpts[i])) < 0)
			abort();
	for (size_t i = 0; large && i < 3000; i++)
		if (str_add(&job->head, "..a line that begins with dots\n") < 0)
			abort();
	return job;
}

static void fuzz_session(const uint8_t *data, size_t size)
{
	static const struct session_ops ops = {
		.write = do_write, .room = do_room, .secure = do_secure, .identify = do_identify, .ready = do_ready, .sent = do_sent, .over = do_over,
	};
	struct world w = { .flags = size > 1 ? data[1] : 0, .out = STR_INIT(MAX) };
	struct session_settings settings = { .peer = "peer", .name = "me", .lmtp = w.flags & 1, .starttls = w.flags & 2, .login = w.flags & 4, .no_pipelining = w.flags & 8,
		.refuse_eight_bit = w.flags & 1, .refuse_long_lines = w.flags & 2 };
	struct span rest = { (const char *)data + 2, size > 2 ? size - 2 : 0 };
	struct deliver_job *job = make_job(w.flags & 128);

	w.room = SESSION_ROOM;
	w.mail = mail_new(job);
	w.session = session_new(&settings, &ops, &w);
	if (!w.mail || mail_survey(w.mail) < 0 || !w.session)
		abort();
	while (rest.len && !w.over) {
		/* a byte below 4 ends a piece */
		size_t piece = 1;

		while (piece < rest.len && (unsigned char)rest.data[piece] >= 4)
			piece++;
		w.room = SESSION_ROOM;	/* what was written is gone meanwhile */
		rest = span_skip(rest, session_input(w.session, (struct span){ rest.data, piece }));
		session_pump(w.session);
		if (!w.securing && !w.identifying && !w.ready && !session_is_over(w.session))
			continue;
		w.room = SESSION_ROOM;
		aside(&w);
	}
	session_lost(w.session, SESSION_LOST, "the end");
	if (!w.over || (w.sends && !w.back))
		abort();
	session_free(w.session);
	mail_free(w.mail);
	deliver_job_free(job);
	str_free(&w.out);
}

/* ---- dots ---- */

static void convert(struct span in, bool pieces, bool stuff, struct str *out)
{
	struct dots dots;
	uint64_t before = out->len;

	dots_init(&dots);
	dots.stuff = stuff;
	while (in.len) {
		size_t n = pieces ? 1 + (unsigned char)*in.data % 7 : in.len;

		if (n > in.len)
			n = in.len;
		if (dots_write(&dots, out, (struct span){ in.data, n }) < 0)
			abort();
		if (out->len > DOTS_GROWTH * (size_t)MAX + DOTS_EXTRA)
			abort();
		in = span_skip(in, n);
	}
	if (dots_end(&dots, out) < 0 || (!stuff && out->len - before != dots.bytes))
		abort();
	dots_free(&dots);
}

static void check_wire(const struct str *out)
{
	for (size_t i = 0; i < out->len; i++) {
		if (out->data[i] == '\n' && (!i || out->data[i - 1] != '\r'))
			abort();
		if (out->data[i] == '\r' && out->data[i + 1] != '\n')
			abort();
		/* one line with a dot alone, the last */
		if (out->data[i] == '.' && (!i || out->data[i - 1] == '\n') && out->data[i + 1] == '\r' && i + 3 != out->len)
			abort();
	}
}

static void fuzz_dots(struct span in)
{
	struct str whole = STR_INIT(MAX), pieces = STR_INIT(MAX);

	convert(in, false, true, &whole);
	convert(in, true, true, &pieces);
	if (!span_equal(str_span(&whole), str_span(&pieces)))
		abort();
	if (whole.len > in.len * DOTS_GROWTH + DOTS_EXTRA)
		abort();
	check_wire(&whole);
	str_cut(&whole, 0);
	convert(in, false, false, &whole);
	str_free(&whole);
	str_free(&pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	if (data[0] & 1)
		fuzz_dots((struct span){ (const char *)data + 1, size - 1 });
	else
		fuzz_session(data, size);
	return 0;
}
