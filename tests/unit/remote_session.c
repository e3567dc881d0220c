/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The dialogue with a scripted server, over a transport of memory: at random splits, and cut off at each byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../remote/session.h"
#include "base64.h"
#include "envelope.h"

#define RCPTS_MAX 5

struct script {				/* NULL: the usual answer */
	bool lmtp;
	const char *greeting, *ehlo, *helo, *starttls, *auth, *mail, *rcpt[RCPTS_MAX], *data, *rset;
	const char *early;		/* as soon as the message begins */
	const char *final[RCPTS_MAX];	/* to the message; LMTP: for each recipient that was accepted */
	const char *chunk;		/* to a BDAT that is not the last */
	size_t cut;			/* the server vanishes behind that many bytes; 0: never */
	struct session_settings settings;
	const char *rcpts[RCPTS_MAX];
	const char *sender, *attributes, *body;
	bool largest;			/* as many recipients as a job has, with addresses and attributes of as many bytes as an envelope allows */
};

struct world {
	const struct script *script;
	struct session *session;
	struct deliver_job *job;
	struct mail *mail;
	struct str to_client, seen, command, message, trace, why;	/* seen: commands; message: what the last DATA or BDAT brought */
	size_t sent_bytes, chunk_left;
	bool in_data, last_chunk, securing, identifying, ready, over, got_mail_back;
	enum session_end end;
	size_t rcpt, accepted, messages, sends, written;	/* written: since the transport had its turn */
	unsigned seed;
};

static unsigned next_random(struct world *w)
{
	w->seed = w->seed * 1103515245U + 12345U;
	return w->seed >> 16;
}

/* ---- the server ---- */

static void say(struct world *w, const char *text)
{
	assert_int_equal(str_add(&w->to_client, text), 0);
}

static const char *or_else(const char *text, const char *usual)
{
	return text ? text : usual;
}

static void end_of_message(struct world *w)
{
	size_t answers = w->script->lmtp ? w->accepted : 1;

	w->messages++;
	w->in_data = false;
	for (size_t i = 0; i < answers; i++)
		say(w, or_else(w->script->final[i], "250 2.6.0 stored\r\n"));
	w->accepted = 0;
}

static void on_bdat(struct world *w, const char *line)
{
	w->chunk_left = strtoul(line + 5, NULL, 10);
	w->last_chunk = strstr(line, "LAST");
	if (!w->chunk_left && w->last_chunk)
		end_of_message(w);
}

static void on_rcpt(struct world *w)
{
	const char *answer = or_else(w->rcpt < RCPTS_MAX ? w->script->rcpt[w->rcpt] : NULL, "250 ok\r\n");

	w->rcpt++;
	w->accepted += *answer == '2';
	say(w, answer);
}

static void on_command(struct world *w, const char *line)
{
	const struct script *s = w->script;

	assert_int_equal(str_printf(&w->seen, "%s|", line), 0);
	if (!strncmp(line, "EHLO", 4) || !strncmp(line, "LHLO", 4)) {
		say(w, or_else(s->ehlo, "250-peer\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-DSN\r\n250 SIZE 100000\r\n"));
	} else if (!strncmp(line, "HELO", 4)) {
		say(w, or_else(s->helo, "250 peer\r\n"));
	} else if (!strncmp(line, "STARTTLS", 8)) {
		say(w, or_else(s->starttls, "220 go\r\n"));
	} else if (!strncmp(line, "AUTH", 4)) {
		say(w, or_else(s->auth, "235 2.7.0 welcome\r\n"));
	} else if (!strncmp(line, "MAIL", 4)) {
		w->rcpt = w->accepted = 0;
		say(w, or_else(s->mail, "250 ok\r\n"));
	} else if (!strncmp(line, "RCPT", 4)) {
		on_rcpt(w);
	} else if (!strncmp(line, "BDAT", 4)) {
		on_bdat(w, line);
	} else if (!strncmp(line, "DATA", 4)) {
		const char *answer = or_else(s->data, w->accepted ? "354 go\r\n" : "503 no one\r\n");

		str_cut(&w->message, 0);
		say(w, answer);
		w->in_data = *answer == '3';
		if (w->in_data && s->early)
			say(w, s->early);
	} else if (!strncmp(line, "RSET", 4)) {
		say(w, or_else(s->rset, "250 ok\r\n"));
	} else if (!strncmp(line, "QUIT", 4)) {
		say(w, "221 bye\r\n");
	} else {
		say(w, "500 what\r\n");
	}
}

static void server_takes(struct world *w, char c)
{
	if (w->chunk_left) {
		assert_int_equal(str_add_char(&w->message, c), 0);
		if (--w->chunk_left)
			return;
		if (w->last_chunk)
			end_of_message(w);
		else
			say(w, or_else(w->script->chunk, "250 go on\r\n"));
		return;
	}
	if (w->in_data) {
		assert_int_equal(str_add_char(&w->message, c), 0);
		if ((w->message.len == 3 && !strcmp(w->message.data, ".\r\n")) || (w->message.len > 4 && !strcmp(w->message.data + w->message.len - 5, "\r\n.\r\n")))
			end_of_message(w);
		return;
	}
	assert_int_equal(str_add_char(&w->command, c), 0);
	if (c != '\n')
		return;
	assert_true(w->command.len > 1 && w->command.data[w->command.len - 2] == '\r');
	str_cut(&w->command, w->command.len - 2);
	on_command(w, w->command.data);
	str_cut(&w->command, 0);
}

/* ---- the transport ---- */

static int do_write(void *arg, const void *data, size_t len)
{
	struct world *w = arg;

	w->written += len;
	if (w->written > SESSION_ROOM)
		return -1;
	for (size_t i = 0; i < len; i++)
		server_takes(w, ((const char *)data)[i]);
	return 0;
}

static size_t do_room(void *arg)
{
	struct world *w = arg;

	return SESSION_ROOM - w->written;
}

static int do_secure(void *arg, struct str *error)
{
	struct world *w = arg;

	(void)error;
	w->securing = true;
	return 0;
}

static void do_identify(void *arg)
{
	struct world *w = arg;

	w->identifying = true;
}

static void do_ready(void *arg)
{
	struct world *w = arg;

	w->ready = true;
}

static void do_sent(void *arg, struct mail *mail)
{
	struct world *w = arg;

	assert_ptr_equal(mail, w->mail);
	assert_false(w->got_mail_back);
	w->got_mail_back = true;
}

static void do_over(void *arg, enum session_end why, const char *text)
{
	struct world *w = arg;

	assert_false(w->over);
	w->over = true;
	w->end = why;
	assert_int_equal(str_set(&w->why, span_of(text)), 0);
}

static void do_trace(void *arg, char who, struct span line)
{
	struct world *w = arg;

	assert_int_equal(str_printf(&w->trace, "%c:%.*s|", who, (int)line.len, line.data), 0);
}

static const struct session_ops ops = {
	.write = do_write, .room = do_room, .secure = do_secure, .identify = do_identify, .ready = do_ready, .sent = do_sent, .over = do_over, .trace = do_trace,
};

/* ---- a run ---- */

static void add_largest(struct deliver_job *job)
{
	char text[ENVELOPE_ADDRESS_MAX + 1], attribute[ENVELOPE_VALUE_MAX + 1];

	memset(text, 'x', sizeof text);
	memcpy(text + sizeof text - 11, "@x.example", 11);
	memset(attribute, 'y', sizeof attribute);
	attribute[ENVELOPE_VALUE_MAX] = '\0';
	while (job->count < DELIVER_RECIPIENTS_MAX) {
		size_t n = job->count;

		assert_int_equal(deliver_job_add_recipient(job, span_of(text)), 0);
		assert_int_equal(str_printf(&job->recipient_attributes, "%zu notify=%s%c%zu orcpt=%s%c", n, attribute, 0, n, attribute, 0), 0);
	}
}

static struct deliver_job *make_job(const struct script *s)
{
	struct deliver_job *job = deliver_job_new();
	const char *attribute = s->attributes;

	assert_int_equal(str_add(&job->sender, or_else(s->sender, "a@b.example")), 0);
	assert_int_equal(str_add(&job->head, or_else(s->body, "Subject: x\n\nhello\n")), 0);
	for (size_t i = 0; i < RCPTS_MAX && s->rcpts[i]; i++)
		assert_int_equal(deliver_job_add_recipient(job, span_of(s->rcpts[i])), 0);
	if (s->largest)
		add_largest(job);
	if (!job->count)
		assert_int_equal(deliver_job_add_recipient(job, span_of("c@d.example")), 0);
	for (; attribute && *attribute; attribute += strlen(attribute) + 1)
		assert_int_equal(str_append(*attribute >= '0' && *attribute <= '9' ? &job->recipient_attributes : &job->attributes, attribute, strlen(attribute) + 1), 0);
	return job;
}

static void set_up(struct world *w, const struct script *s, unsigned seed)
{
	static struct session_settings settings;

	settings = s->settings;
	settings.peer = "peer";
	settings.name = "me.example";
	settings.lmtp = s->lmtp;
	*w = (struct world){ .script = s, .seed = seed };
	w->to_client = w->seen = w->command = w->message = w->trace = w->why = (struct str)STR_INIT(16U << 20);
	w->job = make_job(s);
	w->mail = mail_new(w->job);
	assert_int_equal(mail_survey(w->mail), 0);
	w->session = session_new(&settings, &ops, w);
	say(w, or_else(s->greeting, "220 hello\r\n"));
}

static void tear_down(struct world *w)
{
	session_free(w->session);
	mail_free(w->mail);
	deliver_job_free(w->job);
	str_free(&w->to_client);
	str_free(&w->seen);
	str_free(&w->command);
	str_free(&w->message);
	str_free(&w->trace);
	str_free(&w->why);
}

static void log_in(struct world *w)
{
	const struct sasl_identity identity = { .user = span_of("frank"), .password = span_of("hemmelig"), .host = "peer", .clear = true };

	w->identifying = false;
	session_login(w->session, &identity, NULL);
}

/* What is due besides bytes.  True: something was. */
static bool step_aside(struct world *w)
{
	if (w->securing) {
		w->securing = false;
		session_secured(w->session);
	} else if (w->identifying) {
		log_in(w);
	} else if (w->ready && !w->over) {
		w->ready = false;
		if (w->sends && w->got_mail_back && !mail_count(w->mail, MAIL_WAITING)) {
			session_quit(w->session);
		} else {
			w->sends++;
			w->got_mail_back = false;
			session_send(w->session, w->mail);
		}
	} else {
		return false;
	}
	return true;
}

/* Feeds what the server said, in pieces; a server that is cut off says no more behind that byte. */
static void run(struct world *w)
{
	size_t given = 0;

	while (!w->over) {
		size_t have = w->to_client.len, n, used;
		char piece[4096];

		w->written = 0;
		if (step_aside(w))
			continue;
		if (w->script->cut && have > w->script->cut)
			have = w->script->cut;
		if (given == have) {
			session_lost(w->session, SESSION_LOST, "cut off");
			break;
		}
		n = 1 + next_random(w) % (have - given < sizeof piece ? have - given : sizeof piece);
		memcpy(piece, w->to_client.data + given, n);	/* what the server says meanwhile may move it */
		used = session_input(w->session, (struct span){ piece, n });
		assert_true(used <= n);
		given += used;
		w->written = 0;
		session_pump(w->session);
	}
	assert_true(w->over && session_is_over(w->session));
	if (w->sends)
		assert_true(w->got_mail_back);
}

static char verdict(const struct world *w, size_t n)
{
	return w->mail->states[n] == MAIL_SETTLED ? (char)deliver_job_outcome(w->job, n)->verdict : '-';
}

static void check(const struct script *s, const char *verdicts, const char *seen, const char *status)
{
	struct world w;

	for (unsigned seed = 1; seed < 60; seed++) {
		set_up(&w, s, seed);
		run(&w);
		for (size_t n = 0; n < w.job->count; n++)
			if (verdict(&w, n) != verdicts[n])
				fail_msg("recipient %zu: %c instead of %c (%s), seen %s, end %s", n, verdict(&w, n), verdicts[n], deliver_job_outcome(w.job, n)->text, w.seen.data, w.why.data);
		if (seen && !strstr(w.seen.data, seen))
			fail_msg("not seen: %s in %s", seen, w.seen.data);
		if (status)
			assert_string_equal(deliver_job_outcome(w.job, 0)->status, status);
		tear_down(&w);
	}
}

/* ---- the tests ---- */

#define PLAIN_EHLO "250 peer\r\n"
#define THREE .rcpts = { "a@x.example", "b@x.example", "c@x.example" }

static void good(void **state)
{
	(void)state;
	check(&(struct script){ 0 }, "K", "EHLO me.example|MAIL FROM:<a@b.example> SIZE=21|RCPT TO:<c@d.example>|DATA|QUIT|", "2.6.0");
	check(&(struct script){ .ehlo = PLAIN_EHLO }, "K", "EHLO me.example|MAIL FROM:<a@b.example>|RCPT TO:<c@d.example>|DATA|QUIT|", "2.6.0");
	check(&(struct script){ .ehlo = "502 what?\r\n" }, "K", "EHLO me.example|HELO me.example|MAIL FROM:<a@b.example>|", NULL);
	check(&(struct script){ .greeting = "220-many\r\n220-lines\r\n220 hello\r\n", THREE }, "KKK", NULL, NULL);
	check(&(struct script){ .sender = "" }, "K", "MAIL FROM:<> SIZE", NULL);
	check(&(struct script){ .body = "A: \xc3\xa4\n\n" }, "K", " BODY=8BITMIME|", NULL);
	check(&(struct script){ .final = { "250 no code\r\n" } }, "K", NULL, "2.0.0");
}

static void parameters(void **state)
{
	(void)state;
	check(&(struct script){ .attributes = "ret=hdrs\0envid=a+b c\0" "0 notify=success,delay\0" "0 orcpt=rfc822;x+2By@z\0" }, "K",
	    "MAIL FROM:<a@b.example> SIZE=21 RET=HDRS ENVID=a+2Bb+20c|RCPT TO:<c@d.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x+2By@z|", NULL);
	check(&(struct script){ .ehlo = PLAIN_EHLO, .attributes = "ret=hdrs\0" "0 notify=never\0" }, "K", "MAIL FROM:<a@b.example>|RCPT TO:<c@d.example>|", NULL);
	check(&(struct script){ .sender = "\xc3\xa4@b.example", .ehlo = "250-x\r\n250 SMTPUTF8\r\n" }, "K", "MAIL FROM:<\xc3\xa4@b.example> SMTPUTF8|", NULL);
	check(&(struct script){ .sender = "\xc3\xa4@b.example" }, "X", NULL, "5.6.7");
	check(&(struct script){ .rcpts = { "\xc3\xa4@b.example", "b@x.example" } }, "XK", "SIZE=21|RCPT TO:<b@x.example>|", "5.6.7");
	check(&(struct script){ .ehlo = "250-x\r\n250 SIZE 20\r\n" }, "X", NULL, "5.3.4");
	check(&(struct script){ .ehlo = PLAIN_EHLO, .body = "A: b\n\n\xe4\n", .settings = { .refuse_eight_bit = true } }, "X", NULL, "5.6.3");
	check(&(struct script){ .rcpts = { "a b", "a@[1.2.3.4]", "x>\"@y" } }, "XKX", NULL, "5.1.3");
}

/* A client that fills each attribute must not break the connection at each try. */
static void largest(void **state)
{
	const struct script script = { .largest = true };
	struct world w;

	(void)state;
	set_up(&w, &script, 1);
	run(&w);
	assert_int_equal(w.end, SESSION_QUIT);
	for (size_t n = 0; n < w.job->count; n++)
		assert_int_equal(verdict(&w, n), 'K');
	tear_down(&w);
}

static void refusals(void **state)
{
	(void)state;
	for (int plain = 0; plain < 2; plain++) {
		const char *ehlo = plain ? PLAIN_EHLO : NULL;

		check(&(struct script){ .ehlo = ehlo, THREE, .rcpt = { [1] = "550 5.1.1 no such user\r\n" } }, "KXK", "DATA|QUIT|", NULL);
		check(&(struct script){ .ehlo = ehlo, THREE, .rcpt = { "451 4.3.0 later\r\n", "550-5.1.1 no\r\n550 5.1.1 such user\r\n" } }, "ZXK", "DATA|QUIT|", "4.3.0");
		check(&(struct script){ .ehlo = ehlo, .rcpt = { "550 no\r\n" } }, "X", "RSET|QUIT|", "5.1.1");
		check(&(struct script){ .ehlo = ehlo, .rcpt = { "552 5.2.2 full\r\n" } }, "X", NULL, "5.2.2");
		check(&(struct script){ .ehlo = ehlo, .mail = "550 5.7.1 go away\r\n", THREE, .rcpt = { "503 no\r\n", "503 no\r\n", "503 no\r\n" } }, "XXX", "RSET|QUIT|", "5.7.1");
		check(&(struct script){ .ehlo = ehlo, .mail = "451 4.7.1 greylisted\r\n", .rcpt = { "503 no\r\n" } }, "Z", "RSET|QUIT|", "4.7.1");
		check(&(struct script){ .ehlo = ehlo, .data = "554 5.5.0 no\r\n", THREE }, "XXX", "RSET|QUIT|", "5.5.0");
		check(&(struct script){ .ehlo = ehlo, .data = "451 4.3.0 no\r\n", THREE }, "ZZZ", "RSET|QUIT|", "4.3.0");
		check(&(struct script){ .ehlo = ehlo, .final = { "554 5.6.0 spam\r\n" }, THREE }, "XXX", "QUIT|", "5.6.0");
		check(&(struct script){ .ehlo = ehlo, .final = { "452 4.3.1 disk\r\n" }, THREE }, "ZZZ", "QUIT|", "4.3.1");
		/* Too many recipients: those behind it have a transaction of their own. */
		check(&(struct script){ .ehlo = ehlo, THREE, .rcpt = { NULL, NULL, "452 4.5.3 too many\r\n" } }, "KKK", "RCPT TO:<c@x.example>|DATA|QUIT|", NULL);
		check(&(struct script){ .ehlo = ehlo, .rcpt = { "452 4.5.3 too many\r\n" } }, "Z", "RSET|QUIT|", "4.5.3");
		check(&(struct script){ .ehlo = ehlo, .final = { "421 4.3.2 leaving\r\n" } }, "Z", NULL, "4.3.2");
	}
	/* A server that asks for the message though it has no recipient gets an empty one. */
	check(&(struct script){ .rcpt = { "550 no\r\n" }, .data = "354 go\r\n" }, "X", "DATA|QUIT|", NULL);
}

/* What is about us and not about the message leaves it waiting. */
static void about_us(void **state)
{
	(void)state;
	check(&(struct script){ .greeting = "554 no service\r\n" }, "-", NULL, NULL);
	check(&(struct script){ .greeting = "421 busy\r\n" }, "-", NULL, NULL);
	check(&(struct script){ .greeting = "hello\r\n" }, "-", NULL, NULL);
	check(&(struct script){ .mail = "530 5.7.0 log in first\r\n" }, "-", NULL, NULL);
	check(&(struct script){ .rcpt = { "530 5.7.0 log in first\r\n" } }, "-", NULL, NULL);
	check(&(struct script){ .mail = "421 too many messages\r\n" }, "-", NULL, NULL);
	check(&(struct script){ .settings = { .starttls = true } }, "-", "EHLO me.example|", NULL);
	check(&(struct script){ .ehlo = "250 STARTTLS\r\n", .settings = { .starttls = true } }, "-", NULL, NULL);
	check(&(struct script){ .ehlo = "250-x\r\n250 STARTTLS\r\n", .settings = { .starttls = true }, .starttls = "454 no\r\n" }, "-", "STARTTLS|", NULL);
	check(&(struct script){ .ehlo = "250-x\r\n250 STARTTLS\r\n", .settings = { .starttls = true } }, "K", "STARTTLS|EHLO me.example|MAIL", NULL);
	check(&(struct script){ .mail = "451 4.7.1 no, but yes\r\n" }, "Z", NULL, "4.7.1");
	check(&(struct script){ .data = "250 what\r\n" }, "-", NULL, NULL);
	check(&(struct script){ .mail = "354 what\r\n" }, "-", NULL, NULL);
	check(&(struct script){ .early = "250 what\r\n", .body = "A: b\n\nx\n" }, "K", NULL, NULL);	/* it came with the end already written */
	check(&(struct script){ .rset = "500 what\r\n", .rcpt = { "550 no\r\n" } }, "X", NULL, NULL);
}

static void lmtp(void **state)
{
	(void)state;
	check(&(struct script){ .lmtp = true, THREE }, "KKK", "LHLO me.example|", NULL);
	check(&(struct script){ .lmtp = true, THREE, .final = { NULL, "552 5.2.2 over quota\r\n", "451 4.2.0 locked\r\n" } }, "KXZ", NULL, NULL);
	check(&(struct script){ .lmtp = true, .rcpts = { "a@x", "no@x", "a@x", "b@x" }, .rcpt = { [1] = "550 5.1.1 no\r\n" },
	    .final = { NULL, "452 4.2.2 full\r\n", "250-2.0.0 many\r\n250 2.0.0 lines\r\n" } }, "KXZK", NULL, NULL);
	check(&(struct script){ .lmtp = true, .rcpt = { "550 5.1.1 no\r\n" } }, "X", "RSET|", NULL);
	check(&(struct script){ .lmtp = true, .ehlo = "500 what\r\n" }, "-", NULL, NULL);
	check(&(struct script){ .lmtp = true, .rcpt = { "550 5.1.1 no\r\n" }, .data = "354 go\r\n" }, "X", NULL, NULL);
}

static void chunks(void **state)
{
	static char body[200000];
	const char *ehlo = "250-peer\r\n250-PIPELINING\r\n250 CHUNKING\r\n", *slow = "250-peer\r\n250 CHUNKING\r\n";

	(void)state;
	memset(body, 'x', sizeof body - 1);
	memcpy(body, "A: b\n\n.\n", 8);
	for (size_t i = 80; i < sizeof body - 1; i += 80)
		body[i] = '\n';
	check(&(struct script){ .ehlo = ehlo }, "K", "RCPT TO:<c@d.example>|BDAT 21|BDAT 0 LAST|QUIT|", NULL);
	check(&(struct script){ .ehlo = slow, .body = body }, "K", " LAST|QUIT|", NULL);
	check(&(struct script){ .ehlo = ehlo, .body = body }, "K", " LAST|QUIT|", NULL);
	check(&(struct script){ .ehlo = ehlo, .settings = { .no_chunking = true } }, "K", "DATA|QUIT|", NULL);
	check(&(struct script){ .ehlo = ehlo, .body = body, .chunk = "552 5.3.4 too big\r\n" }, "X", NULL, "5.3.4");
	check(&(struct script){ .ehlo = slow, .body = body, .chunk = "452 4.3.1 disk\r\n" }, "Z", NULL, "4.3.1");
	check(&(struct script){ .ehlo = ehlo, .final = { "554 5.6.0 spam\r\n" } }, "X", "RSET|QUIT|", "5.6.0");
	check(&(struct script){ .ehlo = ehlo, .rcpt = { "550 5.1.1 no\r\n" } }, "X", "RSET|QUIT|", NULL);
}

static void login(void **state)
{
	const struct session_settings settings = { .login = true };
	struct world w;

	(void)state;
	check(&(struct script){ .settings = settings }, "-", NULL, NULL);
	check(&(struct script){ .settings = settings, .ehlo = "250-x\r\n250 AUTH KERBEROS_V4\r\n" }, "-", NULL, NULL);
	check(&(struct script){ .settings = settings, .ehlo = "250-x\r\n250 AUTH PLAIN\r\n" }, "K", "AUTH PLAIN AGZyYW5rAGhlbW1lbGln|MAIL", NULL);
	check(&(struct script){ .settings = settings, .ehlo = "250-x\r\n250 AUTH PLAIN\r\n", .auth = "535 5.7.8 no\r\n" }, "-", NULL, NULL);
	check(&(struct script){ .settings = settings, .ehlo = "250-x\r\n250 AUTH PLAIN\r\n", .auth = "334 !!!\r\n" }, "-", "|*|", NULL);
	check(&(struct script){ .settings = settings, .ehlo = "250-x\r\n250 AUTH SCRAM-SHA-256\r\n", .auth = "235 trust me\r\n" }, "-", NULL, NULL);
	set_up(&w, &(struct script){ .settings = settings, .ehlo = "250-x\r\n250 AUTH PLAIN\r\n" }, 1);
	run(&w);
	assert_null(strstr(w.trace.data, "AGZy"));
	assert_non_null(strstr(w.trace.data, "C:AUTH PLAIN ****|"));
	tear_down(&w);
}

/* Cut off behind each byte that the server says: nobody is done without its word, and nobody is told no. */
static void cut_off(const struct script *script, const char *verdicts)
{
	struct script s = *script;
	struct world w;
	size_t all;

	set_up(&w, &s, 1);
	run(&w);
	all = w.to_client.len;
	tear_down(&w);
	for (s.cut = 1; s.cut < all; s.cut++) {
		set_up(&w, &s, (unsigned)s.cut);
		run(&w);
		for (size_t n = 0; n < w.job->count; n++) {
			char got = verdict(&w, n);

			if (got == 'Z' && verdicts[n] != 'Z') {
				assert_true(w.mail->notes & MAIL_UNCLEAR);
				assert_string_equal(deliver_job_outcome(w.job, n)->status, "4.4.2");
			} else if (got != '-') {
				assert_int_equal(got, verdicts[n]);
			}
			if (w.messages && verdicts[n] == 'K')
				assert_true(got != '-');	/* what may have been taken is not simply sent again */
		}
		tear_down(&w);
	}
}

static void cut_everywhere(void **state)
{
	(void)state;
	cut_off(&(struct script){ THREE, .rcpt = { [1] = "550 5.1.1 no\r\n" } }, "KXK");
	cut_off(&(struct script){ THREE, .ehlo = PLAIN_EHLO, .rcpt = { [1] = "550-5.1.1 no\r\n550 5.1.1 no\r\n" } }, "KXK");
	cut_off(&(struct script){ .lmtp = true, THREE, .final = { NULL, "552 5.2.2 full\r\n" } }, "KXK");
	cut_off(&(struct script){ THREE, .ehlo = "250-x\r\n250-PIPELINING\r\n250 CHUNKING\r\n" }, "KKK");
	cut_off(&(struct script){ .ehlo = "250-x\r\n250-STARTTLS\r\n250 AUTH LOGIN\r\n", .settings = { .starttls = true, .login = true }, .auth = "334 VXNlcm5hbWU6\r\n" }, "-");
}

static void hollow_body_is_not_seen(void **state)
{
	struct world w;

	(void)state;
	set_up(&w, &(struct script){ .rcpt = { "550 no\r\n" }, .data = "354 go\r\n" }, 3);
	run(&w);
	assert_string_equal(w.message.data, ".\r\n");
	tear_down(&w);
	set_up(&w, &(struct script){ .body = "A: b\n\n.\nx\r.\r\n" }, 3);
	run(&w);
	assert_string_equal(w.message.data, "A: b\r\n\r\n..\r\nx\r\n..\r\n.\r\n");
	tear_down(&w);
}

/* A connection that has served may end; one that ends, or says something unasked, before it was used is no good. */
static void useless_connections(void **state)
{
	static const char ahead[] = "220 a\r\n250 b\r\n250 c\r\n";
	struct world w;

	(void)state;
	set_up(&w, &(struct script){ 0 }, 1);
	assert_int_equal(session_input(w.session, span_of(ahead)), sizeof ahead - 1);
	assert_true(w.over && w.end == SESSION_REFUSED && !w.sends);
	tear_down(&w);
	set_up(&w, &(struct script){ 0 }, 1);
	(void)session_input(w.session, (struct span){ ahead, sizeof "220 a\r\n250 b\r\n" - 1 });
	assert_true(session_is_ready(w.session));
	session_lost(w.session, SESSION_LOST, "the end");
	assert_true(w.over && w.end == SESSION_LOST);
	tear_down(&w);
	set_up(&w, &(struct script){ .rcpts = { "no address" } }, 1);
	run(&w);
	assert_true(w.end == SESSION_QUIT);
	tear_down(&w);
}

/* RFC 5321 4.5.3.2, in minutes. */
static void patience(void **state)
{
	static const struct { const char *input; unsigned minutes; } waits[] = {
		{ "220 a\r\n", 5 }, { "250 a\r\n", 0 }, { "250 mail\r\n", 5 }, { "250 rcpt\r\n", 5 }, { "354 data\r\n", 2 },
	};
	struct world w;

	(void)state;
	set_up(&w, &(struct script){ 0 }, 1);
	for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
		if (waits[i].minutes)
			assert_true(session_patience(w.session) >= waits[i].minutes * 60000000ULL);
		(void)session_input(w.session, span_of(waits[i].input));
		if (session_is_ready(w.session)) {
			assert_true(session_patience(w.session) == UINT64_MAX);
			(void)step_aside(&w);
		}
	}
	assert_true(session_patience(w.session) >= 600000000ULL);
	tear_down(&w);
}

/* A server that cannot do the binding which it offers is asked without, where its certificate was verified; a wrong password is not said twice. */
static void unbound(void **state)
{
	static const struct { const char *answer, *mechanisms, *seen; bool clear; } cases[] = {
		{ "501 5.5.4 what\r\n", NULL, "AUTH SCRAM-SHA-256 ", true }, { "535 5.7.8 no\r\n", NULL, NULL, true }, { "501 5.5.4 what\r\n", NULL, NULL, false },
		{ "501 5.5.4 what\r\n", "SCRAM-SHA-256-PLUS SCRAM-SHA-256", NULL, true },
	};
	static const char hello[] = "220 a\r\n250-b\r\n250 AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256\r\n";

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct sasl_identity identity = { .user = span_of("frank"), .password = span_of("hemmelig"), .host = "peer", .clear = cases[i].clear,
			.binding_name = "tls-exporter", .binding = span_of("0123456789abcdef") };
		struct world w;

		set_up(&w, &(struct script){ .settings = { .login = true, .mechanisms = cases[i].mechanisms }, .auth = "334 \r\n" }, 1);
		(void)session_input(w.session, span_of(hello));
		assert_true(w.identifying);
		w.identifying = false;
		session_login(w.session, &identity, NULL);
		assert_non_null(strstr(w.seen.data, "AUTH SCRAM-SHA-256-PLUS cD10bHMtZXhwb3J0ZXIs"));	/* p=tls-exporter, */
		(void)session_input(w.session, span_of(cases[i].answer));
		assert_int_equal(w.identifying, cases[i].seen != NULL);
		assert_int_equal(w.over, cases[i].seen == NULL);
		if (w.identifying) {
			session_login(w.session, &identity, NULL);
			assert_non_null(strstr(w.seen.data, "AUTH SCRAM-SHA-256 biws"));	/* n,, */
			(void)session_input(w.session, span_of("501 5.5.4 what\r\n"));
			assert_true(w.over && w.end == SESSION_LOGIN);
		}
		tear_down(&w);
	}
}

/* Who calls himself by our name, at whatever place, is us; the case does not matter, a longer name and a name elsewhere do.  LMTP goes to mailboxes of this host. */
static void ourselves(void **state)
{
	static const struct { const char *greeting, *ehlo, *helo; bool lmtp, loop; } cases[] = {
		{ "220 me.example ESMTP\r\n", NULL, NULL, false, true }, { "220-ME.Example\r\n220 x\r\n", NULL, NULL, false, true },
		{ NULL, "250-me.example\r\n250 DSN\r\n", NULL, false, true }, { NULL, "250 me.example Hello\r\n", NULL, false, true },
		{ NULL, "500 what\r\n", "250 me.example\r\n", false, true }, { "220 me.example ESMTP\r\n", "250 me.example\r\n", NULL, true, false },
		{ "220 me.example.org ESMTP\r\n", "250-smtp.me.example\r\n250 me.example\r\n", NULL, false, false },
		{ "220 peer me.example\r\n", "250-peer Hello me.example\r\n250 DSN\r\n", NULL, false, false }, { "220\r\n", "250\r\n", NULL, false, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct world w;

		set_up(&w, &(struct script){ .greeting = cases[i].greeting, .ehlo = cases[i].ehlo, .helo = cases[i].helo, .lmtp = cases[i].lmtp }, (unsigned)i);
		run(&w);
		assert_int_equal(w.end, cases[i].loop ? SESSION_LOOP : SESSION_QUIT);
		assert_int_equal(w.messages, cases[i].loop ? 0 : 1);
		assert_int_equal(w.sends, cases[i].loop ? 0 : 1);
		tear_down(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(useless_connections), cmocka_unit_test(patience), cmocka_unit_test(unbound), cmocka_unit_test(ourselves),
		cmocka_unit_test(good), cmocka_unit_test(parameters), cmocka_unit_test(largest), cmocka_unit_test(refusals), cmocka_unit_test(about_us), cmocka_unit_test(lmtp),
		cmocka_unit_test(chunks), cmocka_unit_test(login), cmocka_unit_test(cut_everywhere), cmocka_unit_test(hollow_body_is_not_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
