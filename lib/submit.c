/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The rule behind all of this: queue stores a message only after its E.  A connection that breaks before the last byte of E was handed to the
 * kernel has stored nothing; after one that breaks later, only the key tells.
 */
#include "submit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "clock.h"
#include "ctrl.h"
#include "frame.h"
#include "id.h"

#define KEY_BYTES 16
#define KEY_LEN ((size_t)KEY_BYTES * 2)
#define CHUNK (32U * 1024)		/* bytes of the message in a frame */
#define FLUSH_AT (64U * 1024)		/* waiting output that is sent; a smaller message leaves in one piece */

struct submit {
	const char *path, *stage;
	const struct envelope *envelope;
	struct str out, in;
	struct str text;		/* of the verdict: id or reason */
	struct str error;
	uint64_t wait, answer_wait, ask_wait;
	uint64_t mend_until;		/* boot time that ends the sending anew; 0 before the first loss */
	uint64_t step;			/* pause before the next connection; submit_connect_nap */
	int fd;				/* -1: not connected */
	int code;			/* sysexits, once something stands that cannot be mended */
	int lost_errno;			/* why the connection broke; 0: queue closed it */
	char verdict;			/* K, Z, X, N once queue has said so, else 0 */
	bool complete;			/* E has left for queue */
	char key[KEY_LEN + 1];
};

struct submit *submit_new(const char *path, const char *stage, uint64_t wait)
{
	struct submit *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->path = path;
	s->stage = stage;
	s->wait = wait;
	submit_set_patience(s, SUBMIT_ANSWER_WAIT, SUBMIT_ASK_WAIT);
	s->fd = -1;
	s->step = 0;
	/* A flush comes as soon as FLUSH_AT is reached, so only an envelope makes out larger than that and a chunk. */
	s->out = (struct str)STR_INIT(2 * FLUSH_AT);
	s->in = (struct str)STR_INIT(2 * FRAME_MAX);
	s->text = (struct str)STR_INIT(FRAME_MAX);
	s->error = (struct str)STR_INIT(FRAME_MAX);
	return s;
}

void submit_set_patience(struct submit *s, uint64_t answer, uint64_t ask)
{
	s->answer_wait = answer;
	s->ask_wait = ask;
}

static void hang_up(struct submit *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	str_cut(&s->out, 0);
	str_cut(&s->in, 0);
}

void submit_free(struct submit *s)
{
	if (!s)
		return;
	hang_up(s);
	str_free(&s->out);
	str_free(&s->in);
	str_free(&s->text);
	str_free(&s->error);
	free(s);
}

static int fail(struct submit *s, int code, const char *text)
{
	if (s->code == 0) {
		s->code = code;
		str_cut(&s->error, 0);
		str_add(&s->error, text);
	}
	return -1;
}

/* One frame of queue's.  0, or -1 where queue breaks the protocol. */
static int hear(struct submit *s, struct frame frame)
{
	struct span rest = frame.value, word;

	if (frame.type == 'H') {
		return span_word(&rest, ' ', &word) && span_is(word, "queue") && span_is(rest, "1") ? 0 : -1;
	}
	if (!memchr("KZXN", frame.type, 4))
		return -1;
	span_word(&rest, ' ', &word);
	if (!span_is(word, s->key))
		return 0;
	s->verdict = frame.type;
	return str_set(&s->text, rest);
}

static int hear_all(struct submit *s)
{
	struct frame frame;
	size_t used, at = 0;
	enum frame_result r;

	while ((r = frame_take(s->in.data + at, s->in.len - at, &frame, &used)) == FRAME_WHOLE) {
		if (hear(s, frame) < 0)
			break;
		at += used;
	}
	str_shift(&s->in, at);
	if (r == FRAME_MORE)
		return 0;
	errno = EPROTO;
	return -1;
}

/* Takes what queue has sent, once.  1: some bytes; 0: none within the time (or none waiting, with MSG_DONTWAIT); -1: the connection is lost. */
static int receive(struct submit *s, int flags)
{
	ssize_t n;

	if (str_reserve(&s->in, 512) < 0)
		n = -1;
	else
		do
			n = recv(s->fd, s->in.data + s->in.len, 512, flags);
		while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	if (n > 0) {
		s->in.len += (size_t)n;
		s->in.data[s->in.len] = '\0';
		if (hear_all(s) == 0)
			return 1;
		n = -1;
	}
	s->lost_errno = n < 0 ? errno : 0;
	return -1;
}

/* The connection broke while we were sending: queue may have said why before it went. */
static void lost(struct submit *s, int error)
{
	while (s->verdict == 0 && receive(s, MSG_DONTWAIT) > 0)
		;
	s->lost_errno = error;
	hang_up(s);
}

/* Sends what waits.  A failure hangs up. */
static void flush(struct submit *s)
{
	size_t at = 0;
	ssize_t n;

	while (s->fd >= 0 && at < s->out.len) {
		n = send(s->fd, s->out.data + at, s->out.len - at, MSG_NOSIGNAL);
		if (n >= 0)
			at += (size_t)n;
		else if (errno != EINTR) {
			lost(s, errno == EAGAIN || errno == EWOULDBLOCK ? ETIMEDOUT : errno);
			return;
		}
	}
	str_cut(&s->out, 0);
}

static void put(struct submit *s, char type, struct span value)
{
	if (s->fd < 0 || s->code != 0)
		return;
	if (s->out.len + value.len > FLUSH_AT)
		flush(s);
	if (frame_put(&s->out, type, value) < 0)
		fail(s, EX_TEMPFAIL, "out of memory; nothing was stored");
}

/* "attr NAME VALUE", "rcpt ADDRESS" lines become frames: A and r hold name=value. */
static void put_lines(struct submit *s, struct span lines)
{
	struct str pair = STR_INIT(ENVELOPE_NAME_MAX + ENVELOPE_VALUE_MAX + 64);
	struct span line, word, name;

	while (s->code == 0 && span_word(&lines, '\n', &line)) {
		span_word(&line, ' ', &word);
		if (span_is(word, "rcpt")) {
			put(s, 'R', line);
			continue;
		}
		span_word(&line, ' ', &name);
		str_cut(&pair, 0);
		if (str_add_span(&pair, name) < 0 || str_add_char(&pair, '=') < 0 || str_add_span(&pair, line) < 0)
			fail(s, EX_TEMPFAIL, "out of memory; nothing was stored");
		put(s, span_is(word, "attr") ? 'A' : 'r', str_span(&pair));
	}
	str_free(&pair);
}

static void put_hello(struct submit *s)
{
	if (frame_printf(&s->out, 'H', "%s %d", s->stage, CTRL_VERSION) < 0)
		fail(s, EX_TEMPFAIL, "out of memory; nothing was stored");
}

static void put_envelope(struct submit *s)
{
	s->complete = false;
	s->verdict = 0;
	put(s, 'M', span_of(s->key));
	put(s, 'S', str_span(&s->envelope->sender));
	put_lines(s, str_span(&s->envelope->lines));
	put_lines(s, str_span(&s->envelope->rcpts));
}

static int open_connection(struct submit *s, uint64_t wait, struct str *why)
{
	int code;

	hang_up(s);
	str_cut(why, 0);
	code = submit_connect(s->path, "queue", wait, &s->fd, why);
	if (code == 0)
		put_hello(s);
	return code;
}

int submit_begin(struct submit *s, const struct envelope *envelope)
{
	unsigned char bits[KEY_BYTES];
	struct str hex = STR_INIT(KEY_LEN);
	size_t i;

	s->envelope = envelope;
	if (id_random(bits, sizeof bits) < 0)
		return fail(s, EX_TEMPFAIL, "no random bits for the submission key; nothing was stored");
	for (i = 0; i < sizeof bits; i++)
		if (str_add_hex(&hex, bits[i], 2) < 0)
			fail(s, EX_TEMPFAIL, "out of memory; nothing was stored");
	memcpy(s->key, hex.data, hex.len);
	str_free(&hex);
	if (s->code == 0)
		s->code = open_connection(s, s->wait, &s->error);
	if (s->code == 0)
		put_envelope(s);
	return s->code == 0 ? 0 : -1;
}

int submit_write(struct submit *s, struct span bytes)
{
	struct span piece;

	while (bytes.len > 0 && s->fd >= 0 && s->code == 0 && s->verdict == 0) {
		piece = (struct span){ bytes.data, bytes.len < CHUNK ? bytes.len : CHUNK };
		if (s->out.len + piece.len > FLUSH_AT) {
			flush(s);
			/* A look now and then spares sending the rest of what was refused early. */
			if (s->fd >= 0 && receive(s, MSG_DONTWAIT) < 0)
				hang_up(s);
		}
		put(s, 'B', piece);
		bytes = span_skip(bytes, piece.len);
	}
	return s->code != 0 || s->verdict != 0 ? -1 : 0;
}

void submit_cancel(struct submit *s)
{
	hang_up(s);		/* queue forgets a message without its E */
	fail(s, EX_TEMPFAIL, "the submission was given up; nothing was stored");
}

/* Waits for queue's word.  Hangs up where none comes. */
static void await(struct submit *s, uint64_t wait)
{
	uint64_t until = clock_boot() + wait, now;
	int r = 1;

	while (s->fd >= 0 && s->verdict == 0) {
		now = clock_boot();
		if (r != 0 && now < until && submit_connect_timeout(s->fd, until - now) == 0)
			r = receive(s, 0);
		else
			r = -1, s->lost_errno = ETIMEDOUT;
		if (r < 0)
			hang_up(s);
	}
}

/* E, and the answer. */
static void finish(struct submit *s)
{
	if (s->fd < 0 || s->code != 0 || s->verdict != 0)
		return;
	put(s, 'E', (struct span){ "", 0 });
	flush(s);
	if (s->fd < 0 || s->code != 0)
		return;
	s->complete = true;
	await(s, s->answer_wait);
}

/* E is out and the connection gone: asks until queue knows.  Sets verdict, or code. */
static void ask(struct submit *s)
{
	uint64_t until = clock_boot() + s->ask_wait, now, step = 0;
	struct str why = STR_INIT(FRAME_MAX);
	int lost_errno = s->lost_errno;

	while (s->verdict == 0 && s->code == 0 && (now = clock_boot()) < until) {
		if (open_connection(s, until - now, &why) != 0)
			break;
		put(s, 'Q', span_of(s->key));
		flush(s);
		now = clock_boot();
		if (now < until)
			await(s, until - now);
		if (s->verdict == 0)
			submit_connect_nap(&step);
	}
	if (s->verdict == 0 && s->code == 0) {
		fail(s, EX_TEMPFAIL, "the outcome is unclear: queue took the message but did not say that it is stored");
		str_printf(&s->error, " (%s), nor when asked again%s%s; look with mailq before sending it once more",
		    lost_errno != 0 ? strerror(lost_errno) : "it closed the connection", why.len > 0 ? ": " : "", why.data);
	}
	str_free(&why);
}

/* Nothing was stored: sends all of it once more.  After N that must be on the connection that asked, which is still open. */
static void again(struct submit *s, submit_replay_fn *replay, void *arg)
{
	uint64_t now = clock_boot();
	int code = 0;

	if (s->mend_until == 0)
		s->mend_until = now + s->wait;
	else if (now >= s->mend_until)
		replay = NULL;
	else if (s->fd < 0)
		submit_connect_nap(&s->step);
	if (replay && s->fd < 0) {
		now = clock_boot();
		code = open_connection(s, now < s->mend_until ? s->mend_until - now : 0, &s->error);
	}
	if (code != 0) {
		s->code = code;
		return;
	}
	if (replay) {
		put_envelope(s);
		if (replay(arg, s) == 0) {
			finish(s);
			return;
		}
	}
	hang_up(s);
	fail(s, EX_TEMPFAIL, "the connection to queue broke");
	str_printf(&s->error, " (%s: %s); nothing was stored, try again", s->path,
	    s->lost_errno != 0 ? strerror(s->lost_errno) : "queue closed it");
}

static bool is_settled(const struct submit *s)
{
	return s->code != 0 || (s->verdict != 0 && s->verdict != 'N');
}

int submit_end(struct submit *s, submit_replay_fn *replay, void *arg, struct str *id, struct str *error)
{
	finish(s);
	while (!is_settled(s)) {
		if (s->complete && s->verdict == 0)
			ask(s);
		else
			again(s, replay, arg);
	}
	hang_up(s);
	if (s->code == 0 && s->verdict == 'K') {
		str_cut(id, 0);
		if (str_add_span(id, str_span(&s->text)) < 0)
			str_cut(id, 0);		/* stored all the same */
		return 0;
	}
	str_cut(error, 0);
	if (s->code != 0)
		str_add_span(error, str_span(&s->error));
	else
		str_printf(error, "queue %s: %s", s->verdict == 'Z' ? "cannot store the message now" : "refuses the message", s->text.data);
	return s->code != 0 ? s->code : s->verdict == 'Z' ? EX_TEMPFAIL : EX_UNAVAILABLE;
}
