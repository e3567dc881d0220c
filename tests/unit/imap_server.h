/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A server of memory for the session's unit tests: it keeps what it is sent, says what a script tells it to, in pieces of a chosen size, and may vanish at any byte. */
#ifndef DEADDROP_TESTS_IMAP_SERVER_H
#define DEADDROP_TESTS_IMAP_SERVER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "imap_world.h"

#define LITERALS_MAX 64
#define STORE_MAX 100
#define SCRIPT_MAX 8
#define NO_CUT SIZE_MAX

struct server_line {			/* said in place of an answer */
	const char *to;			/* the command's first word; "+": what waits for that; "{": a literal that is on its way; "": a line that is no command */
	const char *says;		/* "@" stands for the tag; "": nothing */
	unsigned behind, times;		/* behind that many such, which are answered as ever; that often, 0: always */
	bool goes;			/* then it closes the connection */
};

struct server {
	struct world *w;
	const char *greeting, *capabilities, *refused;	/* of the id in refused it says NO, and to a command that holds it */
	const char *answer;		/* to each APPEND, in place of storing */
	bool missing;			/* INBOX */
	bool silent;			/* no word to any APPEND */
	bool no_search, no_tail;
	struct server_line script[SCRIPT_MAX];
	unsigned heard[SCRIPT_MAX];	/* how often that came */
	struct str store[STORE_MAX];	/* what it has, over all connections */
	size_t count;
	struct str out;			/* what it says */
	size_t piece;			/* bytes of that at a time; 0: one to nine, by chance */
	size_t cut_in, cut_out;		/* bytes of this connection after which it vanishes */
	size_t taken, said, pluses;
	bool announced;			/* the literal that is on its way was noted */
	bool goes;			/* it closes the connection when all is said */
	struct str commands;		/* their first words */
	struct str heard_all;		/* whole commands */
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

/* What the script has for this; true: it was said. */
static bool follow(struct server *server, struct span to, struct span tag)
{
	const struct server_line *found = NULL;

	for (size_t i = 0; i < SCRIPT_MAX && server->script[i].to; i++) {
		const struct server_line *line = &server->script[i];
		unsigned n = span_is(to, line->to) ? server->heard[i]++ : 0;

		if (!found && span_is(to, line->to) && n >= line->behind && (!line->times || n - line->behind < line->times))
			found = line;
	}
	for (const char *at = found ? found->says : ""; *at; at++)
		if (*at == '@')
			say(server, "%.*s", (int)tag.len, tag.data);
		else
			say(server, "%c", *at);
	server->goes = server->goes || (found && found->goes);
	return found != NULL;
}

struct command {
	char tag[16];
	struct span line;		/* behind the tag, up to the first literal */
	struct span literals[LITERALS_MAX];
	size_t count;
	bool over;			/* it was answered before its literal */
};

/* A literal is announced.  False: it will not come, the command has its answer. */
static bool expect_literal(struct server *server, struct span tag, bool waits, size_t number)
{
	size_t before = server->out.len;

	if (waits && server->pluses == number) {
		server->pluses++;
		if (!follow(server, span_of("+"), tag))
			say(server, "+ go on\r\n");
		return !memmem(server->out.data + before, server->out.len - before, tag.data, tag.len);
	}
	if (!waits)
		server->pluses = server->pluses > number ? server->pluses : number + 1;
	return true;
}

/* A whole command at the head of what was received: its length, or 0; "+" is said where it is waited for. */
static size_t read_command(struct server *server, struct command *command)
{
	struct span in = str_span(&server->w->received), tag, rest = in;
	size_t at = 0;

	*command = (struct command){ .count = 0 };
	if (!memchr(in.data, '\n', in.len))
		return 0;
	if (!span_word(&rest, ' ', &tag) || tag.len >= sizeof command->tag)
		tag.len = 0;
	memcpy(command->tag, tag.data, tag.len);
	for (;;) {
		const char *end = memmem(in.data + at, in.len - at, "\r\n", 2), *open;
		size_t len, next;

		if (!end)
			return 0;
		next = (size_t)(end - in.data) + 2;
		if (!at)
			command->line = (struct span){ in.data + tag.len + !!tag.len, next - 2 - tag.len - !!tag.len };
		if (end == in.data || end[-1] != '}' || !(open = memrchr(in.data + at, '{', (size_t)(end - in.data) - at)))
			return next;
		len = strtoul(open + 1, NULL, 10);
		command->over = !expect_literal(server, tag, end[-2] != '+', command->count);
		if (command->over)
			return next;
		if (in.len - next < len) {
			if (!server->announced)
				(void)follow(server, span_of("{"), tag);
			server->announced = true;
			return 0;
		}
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
		server->store[server->count] = (struct str)STR_INIT(1U << 22);
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
	if (command->over || follow(server, *command->tag && *command->tag == 'd' ? verb : span_of(""), span_of(command->tag)))
		return;
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
	else if (span_is(verb, "LIST"))
		say(server, "* LIST (\\Noselect) \"/\" \"\"\r\n");
	say(server, "%s OK done\r\n", command->tag);
}

/* Sends what it has said, in pieces, up to where it vanishes.  False: it has. */
static bool speak(struct server *server)
{
	while (server->out.len) {
		size_t len = server->piece ? server->piece : next_random(server) % 9 + 1, left = server->cut_out - server->said;

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
		str_append(&server->heard_all, w->received.data, len);
		on_command(server, &command);
		str_shift(&w->received, len);
		server->pluses = 0;
		server->announced = false;
		*moved = true;
	}
	return speak(server) && open && !cut && !server->goes;
}

static void serve(struct server *server)
{
	bool moved = true, open = true;

	str_cut(&server->out, 0);
	server->taken = server->said = server->pluses = 0;
	server->announced = server->goes = false;
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
	return (struct server){ .w = w, .greeting = "* PREAUTH hello", .capabilities = capabilities, .out = STR_INIT(1U << 20), .commands = STR_INIT(65536), .heard_all = STR_INIT(16U << 20), .cut_in = NO_CUT, .cut_out = NO_CUT, .seed = 7 };
}

static void server_free(struct server *server)
{
	for (size_t i = 0; i < server->count; i++)
		str_free(&server->store[i]);
	str_free(&server->out);
	str_free(&server->commands);
	str_free(&server->heard_all);
}

static const char *const kinds[] = {
	"IMAP4rev1", "IMAP4rev1 LITERAL-", "IMAP4rev1 LITERAL+", "IMAP4rev1 LITERAL+ MULTIAPPEND",
};
#define KINDS (sizeof kinds / sizeof *kinds)

#endif
