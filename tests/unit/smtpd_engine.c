/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The protocol, case by case, each of them whole, byte by byte and split at random. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdint.h>
#include <cmocka.h>

#include "smtpd_dialogue.h"

#define LIMIT 20000U

enum { WITH_TLS = 1, LMTP = 2, NO_AUTH = 4, LIES_IN_TIME = 8, XCLIENT = 16, NO_UTF8 = 32, NORMALISE = 64, AUTH_CLEAR_FORBIDDEN = 128, FEW_ERRORS = 256,
	NOT_NOW = 512, QUEUE_AWAY = 1024, OWN_WORDS = 2048 };

#define E "EHLO x\r\n"
#define L "LHLO x\r\n"
#define M "MAIL FROM:<a@b.example>\r\n"
#define R "RCPT TO:<u@local.example>\r\n"
#define T "RCPT TO:<z@elsewhere.example>\r\n"
#define D "DATA\r\n"
#define TLS "STARTTLS\r\n"
#define LOGIN "AUTH PLAIN AHUAcA==\r\n"

struct testcase {
	const char *id;
	unsigned flags;
	const char *before;		/* what sets the scene */
	const char *say;
	const char *codes;		/* of the replies to it; "x" at the end: and the session ends */
	const char *message;		/* of the one message that comes about; NULL: none does */
};

static const struct testcase cases[] = {
	{ "helo-noarg", 0, "", "HELO\r\n", "501", NULL },
	{ "ehlo-noarg", 0, "", "EHLO\r\n", "501", NULL },
	{ "helo-bad", 0, "", "HELO !@#$%^&*(\r\n", "501", NULL },
	{ "helo", 0, "", "HELO [IPv6:::1]\r\n", "250", NULL },
	{ "ehlo-again", 0, E, "EHLO y\r\n", "250", NULL },
	{ "ehlo-resets", 0, E M, E R, "250 503", NULL },
	{ "mail-nohelo", 0, "", M, "503", NULL },
	{ "mail-null", 0, E, "MAIL FROM:<>\r\n", "250", NULL },
	{ "mail-lower", 0, E, "mail from:<a@b.example>\r\n", "250", NULL },
	{ "mail-space", 0, E, "MAIL FROM: <a@b.example>\r\n", "250", NULL },
	{ "mail-noangle", 0, E, "MAIL FROM:a@b.example\r\n", "250", NULL },
	{ "mail-nofrom", 0, E, "MAIL <a@b.example>\r\n", "501", NULL },
	{ "mail-noarg", 0, E, "MAIL\r\n", "501", NULL },
	{ "mail-empty", 0, E, "MAIL FROM:\r\n", "501", NULL },
	{ "mail-name", 0, E, "MAIL FROM: Anne <a@b.example>\r\n", "501", NULL },
	{ "mail-quoted-empty", 0, E, "MAIL FROM:<\"\"@b.example>\r\n", "250", NULL },
	{ "mail-quoted", 0, E, "MAIL FROM:<\"a > b\"@b.example>\r\n", "250", NULL },
	{ "mail-comment", 0, E, "MAIL FROM:<a(b)@b.example>\r\n", "501", NULL },
	{ "mail-blank", 0, E, "MAIL FROM:<a b@b.example>\r\n", "501", NULL },
	{ "mail-two-at", 0, E, "MAIL FROM:<a@b@c.example>\r\n", "501", NULL },
	{ "mail-open", 0, E, "MAIL FROM:<a@b.example\r\n", "501", NULL },
	{ "mail-literal", 0, E, "MAIL FROM:<a@[192.0.2.1]>\r\n", "250", NULL },
	{ "mail-literal-6", 0, E, "MAIL FROM:<a@[IPv6:2001:db8::1]>\r\n", "250", NULL },
	{ "mail-literal-6-untagged", 0, E, "MAIL FROM:<a@[::1]>\r\n", "501", NULL },
	{ "mail-route", 0, E, "MAIL FROM:<@r1,@r2:a@b.example>\r\n", "250", NULL },
	{ "mail-twice", 0, E M, M, "503", NULL },
	{ "mail-unkparam", 0, E, "MAIL FROM:<a@b.example> FOO=BAR\r\n", "555", NULL },
	{ "mail-size-ok", 0, E, "MAIL FROM:<a@b.example> SIZE=10000\r\n", "250", NULL },
	{ "mail-size-nan", 0, E, "MAIL FROM:<a@b.example> SIZE=rabbit\r\n", "501", NULL },
	{ "mail-size-twice", 0, E, "MAIL FROM:<a@b.example> SIZE=1 SIZE=1\r\n", "501", NULL },
	{ "mail-size-big", 0, E, "MAIL FROM:<a@b.example> SIZE=99999999999\r\n", "552", NULL },
	{ "mail-size-2^64", 0, E, "MAIL FROM:<a@b.example> SIZE=99999999999999999999\r\n", "552", NULL },
	{ "mail-body-8bit", 0, E, "MAIL FROM:<a@b.example> BODY=8bitMIME\r\n", "250", NULL },
	{ "mail-body-bad", 0, E, "MAIL FROM:<a@b.example> BODY=FOOBAR\r\n", "501", NULL },
	{ "mail-smtputf8", 0, E, "MAIL FROM:<\xc3\xa9@b.example> SMTPUTF8\r\n", "250", NULL },
	{ "mail-smtputf8-broken", 0, E, "MAIL FROM:<\xc3@b.example> SMTPUTF8\r\n", "501", NULL },
	{ "mail-smtputf8-off", NO_UTF8, E, "MAIL FROM:<a@b.example> SMTPUTF8\r\n", "555", NULL },
	{ "mail-8bit-utf8-off", NO_UTF8, E, "MAIL FROM:<\xc3\xa9@b.example>\r\n", "500", NULL },
	{ "mail-smtputf8-arg", 0, E, "MAIL FROM:<a@b.example> SMTPUTF8=YES\r\n", "501", NULL },
	{ "mail-8bit-no-utf8", 0, E, "MAIL FROM:<\xc3\xa9@b.example>\r\n", "553", NULL },
	{ "mail-auth-xtext", 0, E, "MAIL FROM:<a@b.example> AUTH=<he+YYa>\r\n", "501", NULL },
	{ "mail-auth-none", 0, E, "MAIL FROM:<a@b.example> AUTH=<>\r\n", "250", NULL },
	{ "mail-dsn", 0, E, "MAIL FROM:<a@b.example> RET=HDRS ENVID=e+3Dmc2\r\n", "250", NULL },
	{ "mail-dsn-lower", 0, E, "MAIL FROM:<a@b.example> ret=full envid=x\r\n", "250", NULL },
	{ "mail-dsn-ret", 0, E, "MAIL FROM:<a@b.example> RET=SOME\r\n", "501", NULL },
	{ "mail-dsn-envid", 0, E, "MAIL FROM:<a@b.example> ENVID=+3\r\n", "501", NULL },
	{ "mail-refused", 0, E, "MAIL FROM:<refused@b.example>\r\n" R, "550 503", NULL },
	{ "rcpt-nomail", 0, E, R, "503", NULL },
	{ "rcpt-noarg", 0, E M, "RCPT\r\n", "501", NULL },
	{ "rcpt-empty", 0, E M, "RCPT TO:\r\n", "501", NULL },
	{ "rcpt-null", 0, E M, "RCPT TO:<>\r\n", "501", NULL },
	{ "rcpt-postmaster", 0, E M, "RCPT TO:<postmaster>\r\n", "250", NULL },
	{ "rcpt-route", 0, E M, "RCPT TO:<@r.example:u@local.example>\r\n", "250", NULL },
	{ "rcpt-unkparam", 0, E M, "RCPT TO:<u@local.example> FOOBAR\r\n" D, "555 503", NULL },
	{ "rcpt-notify", 0, E M, "RCPT TO:<u@local.example> NOTIFY=NEVER ORCPT=rfc822;e+3Dmc2@example.com\r\n", "250", NULL },
	{ "rcpt-notify-mixed", 0, E M, "RCPT TO:<u@local.example> NOTIFY=NEVER,FAILURE\r\n", "501", NULL },
	{ "rcpt-notify-list", 0, E M, "RCPT TO:<u@local.example> NOTIFY=success,FAILURE,delay\r\n", "250", NULL },
	{ "rcpt-notify-comma", 0, E M, "RCPT TO:<u@local.example> NOTIFY=SUCCESS,\r\n", "501", NULL },
	{ "rcpt-orcpt", 0, E M, "RCPT TO:<u@local.example> ORCPT=rfc822\r\n", "501", NULL },
	{ "rcpt-relay", 0, E M, T, "550", NULL },
	{ "rcpt-many", 0, E M R R R, R R, "250 452", NULL },
	{ "data-norcpt", 0, E M, D, "503", NULL },
	{ "data-all-failed", 0, E M, T D, "550 503", NULL },
	{ "data-arg", 0, E M R, "DATA FOOBAR\r\n", "501", NULL },
	{ "data-go", 0, E M R, D, "354", NULL },
	{ "data-dots", 0, E M R D, "..two\r\n.x\r\n.\r\n", "250", ".two\nx\n" },
	{ "data-empty", 0, E M R D, ".\r\n", "250", "" },
	{ "data-twice", 0, E M R D "a\r\n.\r\n", M R D "b\r\n.\r\n", "250 250 354 250", "b\n" },
	{ "data-not-now", NOT_NOW, E M R, D R, "452 503", NULL },
	{ "data-queue-away", QUEUE_AWAY, E M R D, "x\r\n.\r\n" R, "451 503", "x\n" },
	{ "rset", 0, E M, "RSET\r\n" R, "250 503", NULL },
	{ "rset-keeps-auth", 0, E LOGIN, "RSET\r\n" LOGIN, "250 503", NULL },
	{ "rset-arg", 0, "", "RSET FOO\r\n", "501", NULL },
	{ "noop-arg", 0, "", "NOOP ok\r\n", "250", NULL },
	{ "vrfy", 0, E, "VRFY u@local.example\r\n", "252", NULL },
	{ "vrfy-noarg", 0, E, "VRFY\r\n", "501", NULL },
	{ "expn", 0, E, "EXPN list\r\n", "502", NULL },
	{ "help", 0, "", "HELP\r\n", "214", NULL },
	{ "unknown", 0, "", "FOOBAR\r\n", "500", NULL },
	{ "empty", 0, "", "\r\n", "500", NULL },
	{ "nul", 0, "", "NOOP\001\r\nNOOP\r\n", "500 250", NULL },
	{ "bare-cr", 0, "", "NOOP\rNOOP\r\nNOOP\r\n", "500 250", NULL },
	{ "lone-lf", 0, "", "EHLO x\nNOOP\n", "250 250", NULL },
	{ "tls-on-plain", 0, "", "\x16\x03\x01\x02\nNOOP\r\n", "500 x", NULL },
	{ "errors", FEW_ERRORS, "", "XXXX\r\nXXXX\r\nXXXX\r\nXXXX\r\nXXXX\r\nXXXX\r\n", "500 500 500 421 x", NULL },
	{ "failures", FEW_ERRORS, E M, T T T T T T T, "550 550 550 550 550 421 x", NULL },
	{ "commands", FEW_ERRORS, "", "NOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\n", "250 250 250 250 250 250 250 250 421 x", NULL },
	{ "own-errors", FEW_ERRORS | OWN_WORDS, "", "XXXX\r\nXXXX\r\nXXXX\r\nXXXX\r\nXXXX\r\n", "500 500 500 577 x", NULL },
	{ "own-failures", FEW_ERRORS | OWN_WORDS, E M, T T T T T T T, "550 550 550 550 550 577 x", NULL },
	{ "own-commands", FEW_ERRORS | OWN_WORDS, "", "NOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\n", "250 250 250 250 250 250 250 250 577 x", NULL },
	{ "own-recipients", OWN_WORDS, E M R R R, R R, "250 577", NULL },
	{ "own-size", OWN_WORDS, E, "MAIL FROM:<a@b.example> SIZE=99999999999\r\n", "577", NULL },
	{ "own-ascii", OWN_WORDS | NO_UTF8, "", "NOOP \xc3\xa9\r\nNOOP\r\n", "577 250", NULL },
	{ "ascii-off", NO_UTF8, "", "NOOP \xc3\xa9\r\nNOOP\r\n", "500 250", NULL },
	{ "quit", 0, "", "QUIT\r\nNOOP\r\n", "221 x", NULL },
	{ "quit-arg", 0, "", "QUIT oops\r\n", "501", NULL },
	{ "pipeline", 0, E, M R D, "250 250 354", NULL },
	{ "sync-data", 0, E M R, D "Subject: x\r\n\r\ny\r\n.\r\n", "354 250", "Subject: x\n\ny\n" },
	{ "http", 0, "", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "421 x", NULL },
	{ "starttls-arg", WITH_TLS, E, "STARTTLS arg\r\n", "501", NULL },
	{ "starttls-none", 0, E, TLS, "454", NULL },
	{ "starttls", WITH_TLS | LIES_IN_TIME, E, TLS, "220", NULL },
	{ "starttls-twice", WITH_TLS | LIES_IN_TIME, E TLS E, TLS, "554", NULL },
	{ "starttls-inject", WITH_TLS | LIES_IN_TIME, E, TLS M R, "451 x", NULL },
	{ "starttls-reset", WITH_TLS | LIES_IN_TIME, E M TLS, M, "503", NULL },
	{ "starttls-in-auth", WITH_TLS, E LOGIN, TLS, "503", NULL },
	{ "auth-nohelo", 0, "", LOGIN, "503", NULL },
	{ "auth-noarg", 0, E, "AUTH\r\n", "501", NULL },
	{ "auth-mech", 0, E, "AUTH GSSAPI\r\n", "504", NULL },
	{ "auth-b64", 0, E, "AUTH PLAIN not-b64\r\n", "501", NULL },
	{ "auth-split", 0, E, "AUTH PLAIN AG9ubHlsb2dpbg==\r\n", "535", NULL },
	{ "auth-dialogue", 0, E, "AUTH PLAIN\r\nAHUAcA==\r\n", "334 235", NULL },
	{ "auth-cancel", 0, E "AUTH PLAIN\r\n", "*\r\nNOOP\r\n", "501 250", NULL },
	{ "auth-bad", 0, E, "AUTH PLAIN AHUAcQ==\r\n", "535", NULL },
	{ "auth-twice", 0, E LOGIN, LOGIN, "503", NULL },
	{ "auth-in-mail", 0, E M, LOGIN, "503", NULL },
	{ "auth-notls", AUTH_CLEAR_FORBIDDEN | WITH_TLS, E, LOGIN, "538", NULL },
	{ "auth-after-tls", AUTH_CLEAR_FORBIDDEN | WITH_TLS | LIES_IN_TIME, E TLS E, LOGIN, "235", NULL },
	{ "auth-not-served", NO_AUTH, E, LOGIN, "503", NULL },
	{ "bdat-ok", 0, E M R, "BDAT 8\r\nabcdef\r\nBDAT 0 LAST\r\n", "250 250", "abcdef\n" },
	{ "bdat-one", 0, E M R, "BDAT 9 LAST\r\n.\r\n.\r\nabcNOOP\r\n", "250 250", ".\n.\nabc" },
	{ "bdat-split-crlf", 0, E M R, "BDAT 3\r\nab\rBDAT 3 last\r\n\nc\r", "250 550 x", NULL },
	{ "bdat-norcpt", 0, E, "BDAT 8\r\nRSET\r\nABNOOP\r\n", "503 250", NULL },
	{ "bdat-syntax", 0, E M R, "BDAT x\r\nNOOP\r\n", "501 x", NULL },
	{ "bdat-zero", 0, E M R "BDAT 3\r\nab\n", "BDAT 0\r\n", "x", NULL },
	{ "bdat-zero-ok", 0, E M R "BDAT 4\r\nab\r\n", "BDAT 0\r\nBDAT 0 LAST\r\n", "250 250", "ab\n" },
	{ "bdat-short", 0, E M R, "BDAT 89 LAST\r\nabc", "", NULL },
	{ "bdat-mix", 0, E M R "BDAT 4\r\nab\r\n", D M R "BDAT 0 LAST\r\n", "503 503 503 250", "ab\n" },
	{ "bdat-bare", 0, E M R, "BDAT 4 LAST\r\na\nb\nNOOP\r\n", "550 x", NULL },
	{ "bdat-not-now", NOT_NOW, E M R, "BDAT 4\r\na\nb\nBDAT 3 LAST\r\nabcNOOP\r\n", "452 503 250", NULL },
	{ "binarymime-data", 0, E, "MAIL FROM:<a@b.example> BODY=BINARYMIME\r\n" R D, "501 503 503", NULL },
	{ "lmtp-helo", LMTP, "", "HELO x\r\nEHLO x\r\nLHLO x\r\n", "500 500 250", NULL },
	{ "smtp-lhlo", 0, "", L, "500", NULL },
	{ "lmtp-perrcpt", LMTP, L M R T "RCPT TO:<u2@local.example>\r\n" R, D "x\r\n.\r\n", "354 250 250 250", "x\n" },
	{ "lmtp-nonerow", LMTP, L M T, D, "503", NULL },
	{ "lmtp-bdat", LMTP, L M R R, "BDAT 3\r\nx\r\nBDAT 0 LAST\r\n", "250 250 250", "x\n" },
	{ "xclient", XCLIENT, E, "XCLIENT ADDR=192.0.2.1 NAME=[UNAVAILABLE]\r\n" M, "220 503", NULL },
	{ "xclient-bad", XCLIENT, E, "XCLIENT ADDR=+4\r\n", "421 x", NULL },
	{ "xclient-not-listed", 0, E, "XCLIENT ADDR=192.0.2.1\r\n", "500", NULL },
	/* false ends: a second transaction behind each must stay part of the message, or the session is over */
#define SMUGGLED M R D "second\r\n.\r\n"
#define KEPT "MAIL FROM:<a@b.example>\nRCPT TO:<u@local.example>\nDATA\nsecond\n"
	{ "LF.LF", 0, E M R D, "one\n.\n" SMUGGLED, "550 x", NULL },
	{ "LF.CR", 0, E M R D, "one\n.\r" SMUGGLED, "550 x", NULL },
	{ "CR.LF", 0, E M R D, "one\r.\n" SMUGGLED, "550 x", NULL },
	{ "CR.CR", 0, E M R D, "one\r.\r" SMUGGLED, "550 x", NULL },
	{ "LF.CRLF", 0, E M R D, "one\n.\r\n" SMUGGLED, "550 x", NULL },
	{ "CR.CRLF", 0, E M R D, "one\r.\r\n" SMUGGLED, "550 x", NULL },
	{ "CRLF.LF", 0, E M R D, "one\r\n.\n" SMUGGLED, "550 x", NULL },
	{ "CRLF.CR", 0, E M R D, "one\r\n.\r" SMUGGLED, "550 x", NULL },
	{ "CRLF.CRCRLF", 0, E M R D, "one\r\n.\r\r\n" SMUGGLED, "550 x", NULL },
	{ "CRCRLF.CRCRLF", 0, E M R D, "one\r\r\n.\r\r\n" SMUGGLED, "550 x", NULL },
	{ "normal LF.LF", NORMALISE, E M R D, "one\n.\n" SMUGGLED, "250", "one\n.\n" KEPT },
	{ "normal LF.CR", NORMALISE, E M R D, "one\n.\r" SMUGGLED, "250", "one\n.\n" KEPT },
	{ "normal CR.LF", NORMALISE, E M R D, "one\r.\n" SMUGGLED, "250", "one\n.\n" KEPT },
	{ "normal CR.CR", NORMALISE, E M R D, "one\r.\r" SMUGGLED, "250", "one\n.\n" KEPT },
	{ "normal LF.CRLF", NORMALISE, E M R D, "one\n.\r\n" SMUGGLED, "250", "one\n.\n" KEPT },
	{ "normal CR.CRLF", NORMALISE, E M R D, "one\r.\r\n" SMUGGLED, "250", "one\n.\n" KEPT },
	{ "normal CRLF.LF", NORMALISE, E M R D, "one\r\n.\n" SMUGGLED, "250", "one\n.\n" KEPT },
	{ "normal CRLF.CR", NORMALISE, E M R D, "one\r\n.\r" SMUGGLED, "250", "one\n.\n" KEPT },
	{ "normal CRLF.CRCRLF", NORMALISE, E M R D, "one\r\n.\r\r\n" SMUGGLED, "250", "one\n.\n" KEPT },
	{ "normal dots", NORMALISE, E M R D, "..a\n..b\n.c\r.d\r\n.\r\n", "250", ".a\n.b\n.c\n.d\n" },
	{ "normal CRs", NORMALISE, E M R D, "a\r\rb\r\r\nc\r\n.\r\n", "250", "a\n\nb\nc\n" },
	{ "normal BDAT", NORMALISE, E M R, "BDAT 5 LAST\r\na\nb\rc", "250", "a\nb\nc" },
};

static struct engine_setup setup_of(unsigned flags)
{
	struct engine_setup setup = {
		.name = "mx.example",
		.size = LIMIT,
		.recipients = 4,
		.commands = flags & FEW_ERRORS ? 8 : 1000,
		.unknown = flags & FEW_ERRORS ? 3 : 1000,
		.failed = flags & FEW_ERRORS ? 5 : 1000,
		.lmtp = flags & LMTP,
		.utf8 = !(flags & NO_UTF8),
		.tls = flags & WITH_TLS,
		.mechanisms = flags & NO_AUTH ? NULL : "PLAIN LOGIN",
	};

	for (size_t i = 0; flags & OWN_WORDS && i < ENGINE_LIMITS; i++)
		engine_answer_set(&setup.limit_answers[i], 577, "", "As the administrator says");
	return setup;
}

static void open_case(struct dialogue *d, const struct engine_setup *setup, unsigned flags)
{
	dialogue_open(d, setup);
	engine_set_auth_allowed(d->engine, !(flags & AUTH_CLEAR_FORBIDDEN));
	engine_set_xclient(d->engine, flags & XCLIENT);
	engine_set_normalise(d->engine, flags & NORMALISE);
	d->refuse_begin = flags & NOT_NOW;
	d->end_code = flags & QUEUE_AWAY ? 451 : 250;
}

/* "250 354": the codes of the last lines of replies. */
static void codes_of(struct span replies, char *codes, size_t size)
{
	struct span line;
	size_t n = 0;

	codes[0] = '\0';
	while (span_word(&replies, '\n', &line)) {
		assert_true(line.len >= 5 && line.data[line.len - 1] == '\r');
		if (line.data[3] == ' ' && n + 5 < size)
			n += (size_t)snprintf(codes + n, size - n, "%s%.3s", n ? " " : "", line.data);
	}
}

static void one_case(const struct testcase *c)
{
	struct engine_setup setup = setup_of(c->flags);
	struct dialogue d;
	char codes[400];
	size_t said;

	open_case(&d, &setup, c->flags);
	/* line by line: a STARTTLS must stand alone */
	for (const char *at = c->before; *at;) {
		const char *end = c->flags & LIES_IN_TIME ? strchr(at, '\n') + 1 : at + strlen(at);

		dialogue_say(&d, at, (size_t)(end - at));
		at = end;
	}
	if (!strcmp(c->codes, "x")) {
		assert_true(engine_closes(d.engine));
		dialogue_close(&d);
		return;
	}
	assert_false(engine_closes(d.engine));
	said = d.replies.len;
	d.messages = 0;
	dialogue_say(&d, c->say, strlen(c->say));
	codes_of(span_skip(str_span(&d.replies), said), codes, sizeof codes - 3);
	if (engine_closes(d.engine))
		strcat(codes, " x");
	if (strcmp(codes, c->codes) || d.messages != (c->message ? 1U : 0U))
		print_error("case %s: %s, %u messages\n%s", c->id, codes, d.messages, d.replies.data);
	assert_string_equal(codes, c->codes);
	assert_int_equal(d.messages, c->message ? 1 : 0);
	if (c->message)
		assert_string_equal(d.body.data, c->message);
	dialogue_close(&d);
}

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		one_case(&cases[i]);
}

/* ---- splits ---- */

static void say_in_pieces(struct dialogue *d, struct span text, size_t most)
{
	while (text.len) {
		size_t n = most < 2 ? 1 : 1 + (size_t)rand() % most;

		n = n < text.len ? n : text.len;
		/* a view of exactly these bytes, so that a tool sees reading behind them */
		char *piece = malloc(n);

		assert_non_null(piece);
		memcpy(piece, text.data, n);
		dialogue_say(d, piece, n);
		free(piece);
		text = span_skip(text, n);
	}
}

static void same_for_all_splits(struct span text, unsigned flags)
{
	static const size_t sizes[] = { 1, 3, 7, 20, 50, 2000 };
	struct engine_setup setup = setup_of(flags);
	struct dialogue whole, split;

	open_case(&whole, &setup, flags);
	dialogue_say(&whole, text.data, text.len);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		open_case(&split, &setup, flags);
		say_in_pieces(&split, text, sizes[i]);
		if (!span_equal(str_span(&split.replies), str_span(&whole.replies)))
			print_error("%.*s\n---\n%s---\n%s", (int)text.len, text.data, whole.replies.data, split.replies.data);
		assert_true(span_equal(str_span(&split.replies), str_span(&whole.replies)));
		assert_true(span_equal(str_span(&split.events), str_span(&whole.events)));
		assert_int_equal(engine_closes(split.engine), engine_closes(whole.engine));
		dialogue_close(&split);
	}
	dialogue_close(&whole);
}

static void test_splits(void **state)
{
	struct str text = STR_INIT(1 << 20);

	(void)state;
	srand(1);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		if (cases[i].flags & LIES_IN_TIME)
			continue;
		str_cut(&text, 0);
		assert_int_equal(str_add(&text, cases[i].before) | str_add(&text, cases[i].say) | str_add(&text, "NOOP\r\n"), 0);
		same_for_all_splits(str_span(&text), cases[i].flags);
	}
	str_free(&text);
}

/* ---- what needs more than a line ---- */

static void test_nul_before_the_dot(void **state)
{
	static const char text[] = E M R D "a\r\n\0.\r\nb\r\n.\r\n";
	struct engine_setup setup = setup_of(0);
	struct dialogue d;

	(void)state;
	dialogue_open(&d, &setup);
	dialogue_say(&d, text, sizeof text - 1);
	assert_int_equal(d.messages, 1);
	assert_true(span_equal(str_span(&d.body), (struct span){ "a\n\0.\nb\n", 7 }));
	dialogue_close(&d);
	same_for_all_splits((struct span){ text, sizeof text - 1 }, 0);
}

static void fill(struct str *text, size_t len, const char *end)
{
	for (size_t i = 0; i < len; i++)
		assert_int_equal(str_add_char(text, (char)('a' + i % 26)), 0);
	assert_int_equal(str_add(text, end), 0);
}

static void talk(const char *before, size_t fills, const char *end, unsigned flags, const char *wanted, unsigned messages)
{
	struct engine_setup setup = setup_of(flags);
	struct str text = STR_INIT(1 << 20);
	struct dialogue d;
	char codes[400];

	assert_int_equal(str_add(&text, before), 0);
	fill(&text, fills, end);
	open_case(&d, &setup, flags);
	dialogue_say(&d, text.data, text.len);
	codes_of(str_span(&d.replies), codes, sizeof codes);
	assert_string_equal(codes, wanted);
	assert_int_equal(d.messages, messages);
	dialogue_close(&d);
	same_for_all_splits(str_span(&text), flags);
	str_free(&text);
}

static void test_sizes(void **state)
{
	(void)state;
	talk(E M R D, 5000, "\r\n.\r\nNOOP\r\n", 0, "250 250 250 354 250 250", 1);
	talk(E M R D, LIMIT - 2, "\r\n.\r\nNOOP\r\n", 0, "250 250 250 354 250 250", 1);
	talk(E M R D, LIMIT + 2, "\r\n.\r\nNOOP\r\n", 0, "250 250 250 354 552 250", 0);
	talk(E M R D, 10 * LIMIT, "\r\n.\r\n" M R D "a\r\n.\r\n", 0, "250 250 250 354 552 250 250 354 250", 1);
	talk(E M R "BDAT 20001\r\n", 20001, "BDAT 3 LAST\r\nabcNOOP\r\n", 0, "250 250 250 552 503 250", 0);
	talk(E M R "BDAT 20000 LAST\r\n", 20000, "NOOP\r\n", 0, "250 250 250 250 250", 1);
	talk(L M R R D, 2 * LIMIT, "\r\n.\r\nNOOP\r\n", LMTP, "250 250 250 250 354 552 552 250", 0);
}

static void test_long_lines(void **state)
{
	(void)state;
	talk("", 4097, "\r\nNOOP\r\n", 0, "500 250", 0);
	talk("", 400000, " \r\nNOOP\r\n", 0, "500 250", 0);
	talk("NOOP ", ENGINE_LINE_MAX - 6, "\r\nNOOP\r\n", 0, "250 250", 0);
	talk("NOOP ", ENGINE_LINE_MAX - 5, "\r\nNOOP\r\n", 0, "500 250", 0);
	talk(E "AUTH PLAIN\r\n", 20000, "\r\nNOOP\r\n", 0, "250 334 500 250", 0);
	talk(E "AUTH PLAIN\r\n", 9000, "\r\nNOOP\r\n", 0, "250 334 535 250", 0);
}

/* What stands in the envelope. */
static void test_envelope(void **state)
{
	static const char text[] = E "MAIL FROM:<@r:\"a.b\"@b.example> SIZE=5 BODY=8BITMIME RET=HDRS ENVID=x+2By SMTPUTF8\r\n"
	    "RCPT TO:<Postmaster> NOTIFY=SUCCESS,Delay ORCPT=rfc822;a+40b\r\nRCPT TO:<\xc3\xa9@x.example>\r\n" D ".\r\n";
	struct engine_setup setup = setup_of(0);
	struct dialogue d;

	(void)state;
	dialogue_open(&d, &setup);
	dialogue_say(&d, text, sizeof text - 1);
	assert_non_null(strstr(d.events.data, "from a.b@b.example\n"));
	assert_non_null(strstr(d.events.data, "begin UTF8SMTP\n"));
	assert_non_null(strstr(d.events.data, "attributes attr body 8bitmime\nattr ret hdrs\nattr envid x+2By\nattr smtputf8 1\n"));
	assert_non_null(strstr(d.events.data, "recipients rcpt Postmaster@mx.example\nrattr notify success,delay\nrattr orcpt rfc822;a+40b\nrcpt \xc3\xa9@x.example\n"));
	dialogue_close(&d);
}

static void test_ehlo(void **state)
{
	struct engine_setup setup = setup_of(WITH_TLS);
	struct dialogue d;

	(void)state;
	dialogue_open(&d, &setup);
	engine_greet(d.engine);
	dialogue_say(&d, E, sizeof E - 1);
	assert_string_equal(d.replies.data, "220 mx.example ESMTP deaddrop\r\n250-mx.example\r\n250-PIPELINING\r\n250-SIZE 20000\r\n250-8BITMIME\r\n"
	    "250-ENHANCEDSTATUSCODES\r\n250-DSN\r\n250-CHUNKING\r\n250-SMTPUTF8\r\n250-STARTTLS\r\n250-AUTH PLAIN LOGIN\r\n250-LIMITS RCPTMAX=4\r\n250 HELP\r\n");
	dialogue_close(&d);
}

/* Replies that nobody reads stop the reading. */
static void test_flood(void **state)
{
	struct engine_setup setup = setup_of(0);
	struct dialogue d;
	size_t used = 0, n = 0;
	static const char help[] = "HELP\r\n";

	(void)state;
	dialogue_open(&d, &setup);
	while ((used = engine_feed(d.engine, help, sizeof help - 1)) == sizeof help - 1)
		assert_true(++n < 1000);
	assert_int_equal(used, 0);
	assert_true(engine_out(d.engine)->len < ENGINE_OUT_PAUSE + 1000);
	dialogue_close(&d);
}

/* The message is known to fail before its end: the rest is read, and what was found out is said. */
static void test_discard(void **state)
{
	struct engine_setup setup = setup_of(0);
	struct engine_answer answer;
	struct dialogue d;

	(void)state;
	dialogue_open(&d, &setup);
	dialogue_say(&d, E M R D "abc\r\n", strlen(E M R D "abc\r\n"));
	engine_answer_set(&answer, 451, "4.3.0", "No room");
	engine_discard(d.engine, &answer);
	dialogue_say(&d, "def\r\n.\r\nNOOP\r\n", 15);
	assert_non_null(strstr(d.replies.data, "451 4.3.0 No room\r\n250 2.0.0 Ok\r\n"));
	assert_int_equal(d.messages, 0);
	assert_null(strstr(d.events.data, "cancel"));
	dialogue_close(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases), cmocka_unit_test(test_splits), cmocka_unit_test(test_nul_before_the_dot), cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_long_lines), cmocka_unit_test(test_envelope), cmocka_unit_test(test_ehlo), cmocka_unit_test(test_flood),
		cmocka_unit_test(test_discard),
	};

	return cmocka_run_group_tests_name("smtpd_engine", tests, NULL, NULL);
}
