/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The session against a server of memory: split at random, and cut off at each byte either way, after which the next session must leave each message stored exactly once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "imap_world.h"

#define LITERALS_MAX 64
#define STORE_MAX 100
#define NO_CUT SIZE_MAX

struct server {
	struct world *w;
	const char *greeting, *capabilities, *refused;	/* of the id in refused it says NO, and to a command that holds it */
	const char *answer;		/* to each APPEND, in place of storing */
	bool missing;			/* INBOX */
	bool silent;			/* no word to any APPEND */
	bool no_search, no_tail;
	struct str store[STORE_MAX];	/* what it has, over all connections */
	size_t count;
	struct str out;			/* what it says */
	size_t cut_in, cut_out;		/* bytes of this connection after which it vanishes */
	size_t taken, said, pluses;
	struct str commands;		/* their first words */
	unsigned seed;
};

static unsigned next_random(struct server *server)
{
	server->seed = server->seed * 1103515245U + 12345U;
	return server->seed >> 16;
}

static void say(struct server *server, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct server *server, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	assert_int_equal(str_vprintf(&server->out, format, args), 0);
	va_end(args);
}

struct command {
	char tag[16];
	struct span line;		/* behind the tag, up to the first literal */
	struct span literals[LITERALS_MAX];
	size_t count;
};

/* A whole command at the head of what was received: its length, or 0; "+" is said where it is waited for. */
static size_t read_command(struct server *server, struct command *command)
{
	struct span in = str_span(&server->w->received);
	size_t at = 0;

	*command = (struct command){ .count = 0 };
	for (;;) {
		const char *end = memmem(in.data + at, in.len - at, "\r\n", 2), *open;
		size_t len, next;
		bool waits;

		if (!end)
			return 0;
		next = (size_t)(end - in.data) + 2;
		if (!at)
			command->line = (struct span){ in.data, next - 2 };
		if (end == in.data || end[-1] != '}' || !(open = memrchr(in.data + at, '{', (size_t)(end - in.data) - at))) {
			assert_true(span_word(&command->line, ' ', &in) && in.len < sizeof command->tag);
			memcpy(command->tag, in.data, in.len);
			return next;
		}
		len = strtoul(open + 1, NULL, 10);
		waits = end[-2] != '+';
		if (waits && server->pluses == command->count) {
			server->pluses++;
			say(server, "+ go on\r\n");
		}
		if (!waits)
			server->pluses = server->pluses > command->count ? server->pluses : command->count + 1;
		if (in.len - next < len)
			return 0;
		assert_true(command->count < LITERALS_MAX);
		command->literals[command->count++] = (struct span){ in.data + next, len };
		at = next + len;
	}
}

static bool holds(struct span text, const char *part)
{
	return memmem(text.data, text.len, part, strlen(part)) != NULL;
}

static void on_append(struct server *server, const struct command *command)
{
	if (server->silent)
		return;
	for (size_t i = 0; server->refused && i < command->count; i++)
		if (holds(command->literals[i], server->refused)) {
			say(server, "%s NO [TOOBIG] not this one\r\n", command->tag);
			return;
		}
	if (server->missing || server->answer) {
		say(server, "%s %s\r\n", command->tag, server->missing ? "NO [TRYCREATE] make it" : server->answer);
		return;
	}
	for (size_t i = 0; i < command->count; i++) {
		assert_true(server->count < STORE_MAX && command->literals[i].len > 2 && !memcmp(command->literals[i].data + command->literals[i].len - 2, "\r\n", 2));
		server->store[server->count] = (struct str)STR_INIT(1U << 20);
		assert_int_equal(str_add_span(&server->store[server->count++], command->literals[i]), 0);
	}
	say(server, "* %zu EXISTS\r\n%s OK [APPENDUID 1 %zu] stored\r\n", server->count, command->tag, server->count);
}

static void on_fetch(struct server *server, struct span set)
{
	for (size_t n = server->no_tail ? 1 : strtoul(set.data, NULL, 10); n <= server->count && !server->no_tail; n++) {
		const char *end = strstr(server->store[n - 1].data, "Subject");
		int len = (int)(end - server->store[n - 1].data);

		say(server, "* %zu FETCH (BODY[HEADER.FIELDS (RECEIVED)] {%d}\r\n%.*s\r\n UID %zu)\r\n", n, len + 2, len, server->store[n - 1].data, n);
	}
}

static void on_search(struct server *server, struct span line)
{
	say(server, "* SEARCH");
	for (size_t i = 0; i < server->count && !server->no_search; i++)
		for (const char *at = line.data; (at = memmem(at, (size_t)(line.data + line.len - at), "Received \"", 10)); at += 10) {
			const char *end = memchr(at + 10, '"', 200);

			if (memmem(server->store[i].data, server->store[i].len, at + 10, (size_t)(end - at) - 10))
				say(server, " %zu", i + 1);
		}
	say(server, "\r\n");
}

static void on_uid_fetch(struct server *server, struct span set)
{
	bool tail = server->no_tail;

	/* the sets here hold numbers and runs; each is answered with all from its first on */
	server->no_tail = false;
	on_fetch(server, set);
	server->no_tail = tail;
}

static void on_command(struct server *server, const struct command *command)
{
	struct span line = command->line, verb;

	span_word(&line, ' ', &verb);
	str_printf(&server->commands, "%.*s ", (int)verb.len, verb.data);
	if (span_is(verb, "APPEND")) {
		on_append(server, command);
		return;
	}
	if (span_is(verb, "CAPABILITY"))
		say(server, "* CAPABILITY %s\r\n", server->capabilities);
	else if (span_is(verb, "EXAMINE"))
		say(server, "* %zu EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n", server->count);
	else if (span_is(verb, "FETCH"))
		on_fetch(server, line);
	else if (span_is(verb, "UID") && span_starts(line, "SEARCH"))
		on_search(server, line);
	else if (span_is(verb, "UID"))
		on_uid_fetch(server, span_skip(line, 6));
	else if (span_is(verb, "CREATE"))
		server->missing = false;
	else if (span_is(verb, "LOGOUT"))
		say(server, "* BYE bye\r\n");
	say(server, "%s OK done\r\n", command->tag);
}

/* Sends what it has said, in pieces, up to where it vanishes.  False: it has. */
static bool speak(struct server *server)
{
	while (server->out.len) {
		size_t len = next_random(server) % 9 + 1, left = server->cut_out - server->said;

		len = len < server->out.len ? len : server->out.len;
		len = len < left ? len : left;
		if (len && !world_send(server->w, server->out.data, len))
			return false;
		str_shift(&server->out, len);
		server->said += len;
		world_run(server->w);
		if (server->said == server->cut_out)
			return false;
	}
	return true;
}

/* What it has not taken in when it vanishes, it never sees. */
static bool serve_once(struct server *server, bool *moved)
{
	struct world *w = server->w;
	struct command command;
	size_t len, before = w->received.len;
	bool open = world_receive(w), cut = false;

	server->taken += w->received.len - before;
	if (server->taken > server->cut_in) {
		str_cut(&w->received, w->received.len - (server->taken - server->cut_in));
		cut = true;
	}
	*moved = w->received.len > before || server->out.len;
	while ((len = read_command(server, &command))) {
		on_command(server, &command);
		str_shift(&w->received, len);
		server->pluses = 0;
		*moved = true;
	}
	return speak(server) && open && !cut;
}

static void serve(struct server *server)
{
	bool moved = true, open = true;

	str_cut(&server->out, 0);
	server->taken = server->said = server->pluses = 0;
	say(server, "%s\r\n", server->greeting);
	while (open && moved) {
		world_run(server->w);
		open = serve_once(server, &moved);
	}
	if (!open)
		world_hang_up(server->w);
}

static struct server server_with(struct world *w, const char *capabilities)
{
	return (struct server){ .w = w, .greeting = "* PREAUTH hello", .capabilities = capabilities, .out = STR_INIT(1U << 20), .commands = STR_INIT(65536), .cut_in = NO_CUT, .cut_out = NO_CUT, .seed = 7 };
}

static void server_free(struct server *server)
{
	for (size_t i = 0; i < server->count; i++)
		str_free(&server->store[i]);
	str_free(&server->out);
	str_free(&server->commands);
}

static size_t times_stored(const struct server *server, struct id id)
{
	char text[ID_TEXT_MAX + 8], bare[ID_TEXT_MAX];
	size_t count = 0;

	id_text(id, bare);
	snprintf(text, sizeof text, "id %s;", bare);
	for (size_t i = 0; i < server->count; i++)
		count += memmem(server->store[i].data, server->store[i].len, text, strlen(text)) != NULL;
	return count;
}

static const char *const kinds[] = {
	"IMAP4rev1", "IMAP4rev1 LITERAL-", "IMAP4rev1 LITERAL+", "IMAP4rev1 LITERAL+ MULTIAPPEND",
};
#define KINDS (sizeof kinds / sizeof *kinds)

static void add_messages(struct world *w, size_t count)
{
	for (size_t i = 0; i < count; i++)
		world_add(w, "INBOX", i % 2 ? "one\ntwo\n" : "no line end");
}

/* Sessions, the first of which is cut off; the bytes that the first would have said or taken are returned. */
static void run_cut(const char *capabilities, size_t messages, size_t cut_in, size_t cut_out, bool no_search, bool no_tail, size_t *in, size_t *out)
{
	struct world w;
	struct server server;

	world_open(&w);
	server = server_with(&w, capabilities);
	server.seed = (unsigned)(cut_in * 31 + cut_out);
	server.no_search = no_search;
	server.no_tail = no_tail;
	add_messages(&w, messages);
	server.cut_in = cut_in;
	server.cut_out = cut_out;
	for (int sessions = 0; sessions < 6 && world_peek(&w); sessions++) {
		world_connect(&w);
		serve(&server);
		if (in) {
			*in = server.taken;
			*out = server.said;
		}
		if (w.session)
			break;
		server.cut_in = server.cut_out = NO_CUT;
	}
	for (size_t i = 0; i < w.count; i++) {
		assert_int_equal(w.items[i].place, WORLD_SETTLED);
		assert_int_equal(w.items[i].outcome.verdict, OUTCOME_DONE);
		assert_int_equal(times_stored(&server, w.items[i].item.job->key.id), 1);
	}
	world_close(&w);
	server_free(&server);
}

static void test_cut_off(void **state)
{
	(void)state;
	for (size_t kind = 0; kind < KINDS; kind++) {
		size_t in = 0, out = 0;

		run_cut(kinds[kind], 7, NO_CUT, NO_CUT, false, false, &in, &out);
		assert_true(in > 800 && out > 100);
		for (size_t cut = 1; cut < out; cut++)
			run_cut(kinds[kind], 7, NO_CUT, cut, cut % 3 == 1, cut % 3 == 2, NULL, NULL);
		for (size_t cut = 1; cut < in; cut += 3)
			run_cut(kinds[kind], 7, cut, NO_CUT, cut % 2, false, NULL, NULL);
	}
}

static void test_refused_in_a_group(void **state)
{
	(void)state;
	for (size_t kind = 0; kind < KINDS; kind++)
		for (size_t refused = 0; refused < 40; refused += 13) {
			struct world w;
			struct server server;
			char id[ID_TEXT_MAX + 1];

			world_open(&w);
			server = server_with(&w, kinds[kind]);
			add_messages(&w, 40);
			id_text(w.items[refused].item.job->key.id, id);
			strcat(id, ";");
			server.refused = id;
			world_connect(&w);
			serve(&server);
			for (size_t i = 0; i < w.count; i++) {
				assert_int_equal(w.items[i].place, WORLD_SETTLED);
				assert_int_equal(w.items[i].outcome.verdict, i == refused ? OUTCOME_NEVER : OUTCOME_DONE);
				assert_int_equal(times_stored(&server, w.items[i].item.job->key.id), i != refused);
			}
			world_close(&w);
			server_free(&server);
		}
}

static void test_created_once(void **state)
{
	struct world w;
	struct server server;
	const char *made;

	(void)state;
	world_open(&w);
	server = server_with(&w, kinds[2]);
	server.missing = true;
	add_messages(&w, 12);
	world_connect(&w);
	serve(&server);
	made = strstr(server.commands.data, "CREATE ");
	assert_non_null(made);
	assert_null(strstr(made + 1, "CREATE "));
	assert_int_equal(server.count, 12);
	world_close(&w);
	server_free(&server);
}

/* Each answer that the manual page has: what becomes of the message, and that it ends. */
static void test_answers(void **state)
{
	static const struct { const char *answer, *status; enum outcome_verdict verdict; bool account; } rows[] = {
		{ "NO [TOOBIG] x", "5.3.4", OUTCOME_NEVER, false }, { "BAD [TOOBIG] x", "5.3.4", OUTCOME_NEVER, false }, { "BAD command line limit exceeded", "5.3.4", OUTCOME_NEVER, false },
		{ "NO [OVERQUOTA] x", "4.2.2", OUTCOME_LATER, true }, { "NO your mailbox is over quota", "4.2.2", OUTCOME_LATER, true }, { "NO [LIMIT] x", "4.3.2", OUTCOME_LATER, true },
		{ "NO [UNAVAILABLE] x", "4.3.2", OUTCOME_LATER, true }, { "NO [INUSE] x", "4.3.2", OUTCOME_LATER, false }, { "NO [NOPERM] x", "4.7.1", OUTCOME_LATER, false },
		{ "NO [CANNOT] x", "4.3.5", OUTCOME_LATER, false }, { "NO [CONTACTADMIN] x", "4.3.5", OUTCOME_LATER, false }, { "NO [SERVERBUG] x", "4.3.0", OUTCOME_LATER, false },
		{ "NO [UNKNOWN-CTE] x", "5.6.1", OUTCOME_NEVER, false }, { "NO bare newline", "5.6.0", OUTCOME_NEVER, false }, { "NO", "4.2.0", OUTCOME_LATER, false },
		{ "BAD", "4.2.0", OUTCOME_LATER, false }, { "NO [X-Y z] Unexpected exception", "4.2.0", OUTCOME_LATER, false }, { "NO [EXPIRED] x", "4.7.8", OUTCOME_LATER, true },
		{ "OK", "2.0.0", OUTCOME_DONE, false }, { "OK [APPENDUID 7] odd", "2.0.0", OUTCOME_DONE, false }, { "OK [APPENDUID x y z] odd", "2.0.0", OUTCOME_DONE, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		for (size_t kind = 0; kind < KINDS; kind++) {
			struct world w;
			struct server server;

			world_open(&w);
			server = server_with(&w, kinds[kind]);
			server.answer = rows[i].answer;
			server.seed = (unsigned)(i * 11 + kind);
			add_messages(&w, 6);
			world_connect(&w);
			serve(&server);
			for (size_t n = 0; n < w.count; n++) {
				assert_int_equal(w.items[n].place, WORLD_SETTLED);
				assert_int_equal(w.items[n].outcome.verdict, rows[i].verdict);
				assert_string_equal(w.items[n].outcome.status, rows[i].status);
				assert_false(w.items[n].item.unclear);
			}
			assert_int_equal(w.overloaded, rows[i].account);
			world_close(&w);
			server_free(&server);
		}
}

static void test_words_that_end_it(void **state)
{
	static const char *const lines[] = { "* BYE gone", "what is this", "d999 OK not asked for", "+ more", "* OK [CAPABILITY", "", "d2" };

	(void)state;
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		struct world w;
		struct server server;
		struct str line = STR_INIT(100);

		world_open(&w);
		server = server_with(&w, kinds[2]);
		server.silent = true;
		add_messages(&w, 3);
		world_connect(&w);
		serve(&server);
		assert_non_null(w.session);
		str_printf(&line, "%s\r\n", lines[i]);
		world_send(&w, line.data, line.len);
		world_run(&w);
		world_hang_up(&w);
		assert_null(w.session);
		assert_true(w.failed);
		for (size_t n = 0; n < w.count; n++)
			assert_true(w.items[n].place == WORLD_WAITS && w.items[n].item.unclear);
		str_free(&line);
		world_close(&w);
		server_free(&server);
	}
}

/* A session that is to leave finishes what is under way first: when that is lost it says so. */
static void test_leaves_in_the_middle(void **state)
{
	static const char *const words[] = { "", "* BYE gone\r\n" };

	(void)state;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		struct world w;
		struct server server;

		world_open(&w);
		server = server_with(&w, kinds[2]);
		server.silent = true;
		add_messages(&w, 3);
		world_connect(&w);
		serve(&server);
		assert_non_null(w.session);
		session_leave(w.session);
		world_send(&w, words[i], strlen(words[i]));
		world_run(&w);
		world_hang_up(&w);
		assert_null(w.session);
		assert_true(w.failed);
		for (size_t n = 0; n < w.count; n++)
			assert_true(w.items[n].place == WORLD_WAITS && w.items[n].item.unclear);
		world_close(&w);
		server_free(&server);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_refused_in_a_group),
		cmocka_unit_test(test_created_once),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_words_that_end_it),
		cmocka_unit_test(test_leaves_in_the_middle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
