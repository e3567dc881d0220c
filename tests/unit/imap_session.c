/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The session against a server of memory: split at random, and cut off at each byte either way, after which the next session must leave each message stored exactly once. */
#include "imap_server.h"

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
