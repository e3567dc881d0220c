/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "id.h"
#include "mailq_act.h"
#include "mailq_socket.h"
#include "text.h"

/* A printer that prints nothing: it gathers the ids of what is chosen. */
struct gathering {
	struct mailq_out out;		/* first, for the printer is handed this */
	const struct mailq_choice *choice;
	struct str ids;			/* a line each */
	struct str id;			/* of the message whose recipients come now */
	size_t count;
	bool sender_fits, taken;
};

bool mailq_act_is_verb(const char *word)
{
	static const char *const verbs[] = { "hold", "release", "retry", "remove", "bounce", "reroute", "show" };

	for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
		if (!strcmp(verbs[i], word))
			return true;
	return false;
}

static void gather_begin(struct mailq_out *out)
{
	(void)out;
}

static void gather_message(struct mailq_out *out, const struct mailq_message *m)
{
	struct gathering *g = (struct gathering *)(void *)out;

	g->taken = false;
	g->sender_fits = !g->choice->sender || span_is_nocase(m->sender, g->choice->sender);
	str_set(&g->id, m->id);
}

static void gather_recipient(struct mailq_out *out, const struct mailq_recipient *r)
{
	struct gathering *g = (struct gathering *)(void *)out;
	const struct mailq_choice *c = g->choice;

	if (g->taken || !g->sender_fits || (c->recipient && !span_is_nocase(r->address, c->recipient)) ||
	    (c->choose_drop && !span_is(r->drop, c->choose_drop)))
		return;
	g->taken = !str_add_span(&g->ids, str_span(&g->id)) && !str_add_char(&g->ids, '\n');
	g->count += g->taken;
}

static void gather_end(struct mailq_out *out)
{
	(void)out;
}

static const struct mailq_printer gatherer = { gather_begin, gather_message, gather_recipient, gather_end };

static int gather(const char *socket, const struct mailq_choice *choice, struct gathering *g, struct str *error)
{
	*g = (struct gathering){ .out = { .printer = &gatherer }, .choice = choice, .ids = STR_INIT(256U * 1024 * 1024), .id = STR_INIT(256) };
	for (size_t i = 0; i < choice->id_count; i++) {
		struct id id;

		if (id_parse(span_of(choice->ids[i]), &id) < 0) {
			str_printf(error, "%s: expected a message's id", choice->ids[i]);
			return EX_USAGE;
		}
		str_printf(&g->ids, "%s\n", choice->ids[i]);
		g->count++;
	}
	if (!choice->all && !choice->sender && !choice->recipient && !choice->choose_drop)
		return g->count ? EX_OK : (str_add(error, "expected ids, --sender, --recipient, --drop or --all"), EX_USAGE);
	return mailq_ask(socket, &g->out, error) < 0 ? EX_TEMPFAIL : EX_OK;
}

static bool is_sure(const struct mailq_choice *choice, size_t count)
{
	char answer[16];

	if (choice->yes || count <= MAILQ_ACT_MANY || !strcmp(choice->verb, "show"))
		return true;
	if (!isatty(STDIN_FILENO)) {
		fprintf(stderr, "deaddrop-mailq: %s %zu messages? Say --yes; nothing was done\n", choice->verb, count);
		return false;
	}
	fprintf(stderr, "deaddrop-mailq: %s %zu messages? [y/N] ", choice->verb, count);
	return fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

/* One request and its answer.  0: done; 1: send says why not, in error; -1: error. */
static int request(int fd, struct str *in, const struct mailq_choice *choice, struct span id, struct str *error)
{
	struct str value = STR_INIT(65536);
	bool show = !strcmp(choice->verb, "show");
	struct frame frame;
	int result, used;

	if (!show)
		str_printf(&value, "%s ", choice->verb);
	str_add_span(&value, id);
	if (choice->drop) {
		str_add_char(&value, ' ');
		text_encode(&value, span_of(choice->drop));
	}
	result = mailq_socket_send(fd, show ? 'W' : 'O', str_span(&value), error);
	str_free(&value);
	while (!result && (used = mailq_socket_receive(fd, in, &frame, error)) > 0) {
		char type = frame.type;

		if (type == 'B')
			fwrite(frame.value.data, 1, frame.value.len, stdout);
		else if (type != 'K')
			str_add_span(error, type == 'X' ? frame.value : span_of("the answer is not to be understood"));
		str_shift(in, (size_t)used);
		if (type != 'B')
			return type == 'K' ? 0 : type == 'X' ? 1 : -1;
	}
	return -1;
}

static int act_on_all(const char *socket, const struct mailq_choice *choice, struct span ids, struct str *error)
{
	struct str in = STR_INIT(2 * 65536 + FRAME_MAX), why = STR_INIT(65536), safe = STR_INIT(4 * 65536);
	int fd = mailq_socket_open(socket, error), status = EX_OK, result;
	struct span id;

	while (fd >= 0 && span_word(&ids, '\n', &id)) {
		str_cut(&why, 0);
		result = request(fd, &in, choice, id, &why);
		if (!result) {
			if (strcmp(choice->verb, "show"))
				printf("%.*s: %s\n", (int)id.len, id.data, choice->verb);
			continue;
		}
		status = EX_UNAVAILABLE;
		str_cut(&safe, 0);
		mailq_put_safe(&safe, str_span(&why));
		fprintf(stderr, "deaddrop-mailq: %.*s: %s\n", (int)id.len, id.data, safe.data);
		if (result < 0)
			break;
	}
	if (fd < 0)
		status = EX_TEMPFAIL;
	else
		close(fd);
	str_free(&in);
	str_free(&why);
	str_free(&safe);
	return status;
}

int mailq_act(const char *socket, const struct mailq_choice *choice, struct str *error)
{
	struct gathering g;
	int status = gather(socket, choice, &g, error);

	if (status == EX_OK && !g.count)
		printf("No message is chosen.\n");
	else if (status == EX_OK)
		status = is_sure(choice, g.count) ? act_on_all(socket, choice, str_span(&g.ids), error) : EX_NOPERM;
	str_free(&g.ids);
	str_free(&g.id);
	return status;
}
