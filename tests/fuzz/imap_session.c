/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * libFuzzer: a session and a server that says anything.  The first bytes choose the account and its items; of what follows, \1 stands for the tag of the oldest command that
 * was not used yet, \2 for that of the newest, \3 lets the session read what was said so far, \4 ends the connection and begins another, \5 has it leave.
 * The rules of imap_world.h must hold, and what was never on its way to the server must not be called unclear, nor done what no OK followed.
 */
#include "../unit/imap_world.h"

#define SESSIONS_MAX 6

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz {
	struct world w;
	struct str out;
	char oldest[16], newest[16];
};

/* Tags are what begins a line and looks like one of ours. */
static void note_tags(struct fuzz *fuzz)
{
	struct span rest;
	size_t used = 0;

	world_receive(&fuzz->w);
	rest = str_span(&fuzz->w.received);
	while (rest.len) {
		const char *end = memchr(rest.data, '\n', rest.len);
		size_t digits = 1;

		if (!end)
			break;
		while (rest.data[0] == 'd' && digits < 12 && rest.data[digits] >= '0' && rest.data[digits] <= '9')
			digits++;
		if (digits > 1 && rest.data[digits] == ' ') {
			snprintf(fuzz->newest, sizeof fuzz->newest, "%.*s", (int)digits, rest.data);
			if (!*fuzz->oldest)
				memcpy(fuzz->oldest, fuzz->newest, sizeof fuzz->oldest);
		}
		used = (size_t)(end - fuzz->w.received.data) + 1;
		rest = span_skip(str_span(&fuzz->w.received), used);
	}
	str_shift(&fuzz->w.received, used);
}

static void next_oldest(struct fuzz *fuzz)
{
	unsigned long number = strtoul(fuzz->oldest[0] ? fuzz->oldest + 1 : "0", NULL, 10);

	snprintf(fuzz->oldest, sizeof fuzz->oldest, "d%lu", number + 1);
}

static void let_read(struct fuzz *fuzz)
{
	if (fuzz->out.len)
		(void)world_send(&fuzz->w, fuzz->out.data, fuzz->out.len);
	str_cut(&fuzz->out, 0);
	world_run(&fuzz->w);
	if (fuzz->w.session)
		(void)session_alive(fuzz->w.session);
	note_tags(fuzz);
}

static void again(struct fuzz *fuzz)
{
	let_read(fuzz);
	world_hang_up(&fuzz->w);
	if (fuzz->w.session)
		session_abort(fuzz->w.session);
	fuzz->w.session = NULL;
	*fuzz->oldest = *fuzz->newest = '\0';
	if (fuzz->w.sessions < SESSIONS_MAX)
		world_connect(&fuzz->w);
}

static void choose(struct fuzz *fuzz, unsigned how, unsigned items)
{
	static const char *const bodies[] = { "one\n", "a\0b", "", "x\r\n\r\n.\r\ny" };
	struct world *w = &fuzz->w;

	if (how & 1)
		w->account.user = w->user;
	if (how & 2)
		str_add(&w->account.password, how & 4 ? "secret" : "s\xc3\xa9");
	w->account.utf8 = how & 8;
	w->account.create = how & 16;
	w->account.limit = how & 32 ? 150 : 0;
	for (unsigned i = 0; i < (items & 15); i++) {
		struct item *item = world_add(w, items & 16 && i % 3 == 0 ? "B\xc3\xb6x/a" : "INBOX", bodies[i % 4]);

		item->unclear = items & 32 && i % 2;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz fuzz = { .out = STR_INIT(1U << 20) };

	if (size < 2 || size > 20000)
		return 0;
	world_open(&fuzz.w);
	choose(&fuzz, data[0], data[1]);
	world_connect(&fuzz.w);
	for (size_t i = 2; i < size && (fuzz.w.session || fuzz.w.sessions < SESSIONS_MAX); i++) {
		if (data[i] == 1) {
			str_add(&fuzz.out, fuzz.oldest);
			next_oldest(&fuzz);
		} else if (data[i] == 2) {
			str_add(&fuzz.out, fuzz.newest);
		} else if (data[i] == 3) {
			let_read(&fuzz);
		} else if (data[i] == 4) {
			again(&fuzz);
		} else if (data[i] == 5) {
			if (fuzz.w.session)
				session_leave(fuzz.w.session);
		} else {
			str_add_char(&fuzz.out, (char)data[i]);
		}
	}
	let_read(&fuzz);
	world_hang_up(&fuzz.w);
	for (size_t i = 0; i < fuzz.w.count; i++) {
		const struct outcome *outcome = &fuzz.w.items[i].outcome;

		if (fuzz.w.items[i].place == WORLD_SETTLED && outcome->verdict == OUTCOME_DONE && !memmem(data, size, "O", 1) && !memmem(data, size, "o", 1))
			abort();
	}
	world_close(&fuzz.w);
	str_free(&fuzz.out);
	return 0;
}
