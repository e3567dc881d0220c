/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A whole queue and its clients: what is answered, and what is in the journal afterwards. */
#include "queue_run.h"

#define KEY_A "000000000000000000000000000000aa"
#define KEY_B "000000000000000000000000000000bb"

static struct run run;
static struct seen seen;

static int setup(void **state)
{
	(void)state;
	run_setup(&run, "/tmp");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	run_cleanup(&run);
	return 0;
}

static void many_pipelined_messages(void **state)
{
	enum { CLIENTS = 50, EACH = 40 };
	struct client *clients[CLIENTS];
	char key[33], body[300];

	(void)state;
	run_start(&run, NULL);
	for (unsigned i = 0; i < CLIENTS; i++) {
		struct str frames = STR_INIT(1 << 20);

		clients[i] = client_new(&run, i % 2 ? "trust.ctrl" : "in.ctrl");
		for (unsigned j = 0; j < EACH; j++) {
			memset(body, 'a' + (int)j % 26, sizeof body - 1);
			body[100 + i + j] = 0;
			put_message(&frames, key_text(1 + i * EACH + j, key), body);
		}
		client_send(clients[i], &frames);
	}
	for (unsigned i = 0; i < CLIENTS; i++) {
		for (unsigned j = 0; j < EACH; j++) {
			char wanted[40];

			snprintf(wanted, sizeof wanted, "K%s ", key_text(1 + i * EACH + j, key));
			expect(clients[i], wanted);
		}
		client_free(clients[i]);
	}
	assert_int_equal(run_stop(&run, SIGTERM), 0);
	see_journal(&run, &seen);
	assert_int_equal(seen.records, CLIENTS * EACH);
	assert_int_equal(seen.torn, 0);
	assert_int_equal(seen.ended, seen.files);
	for (unsigned n = 1; n <= CLIENTS * EACH; n++)
		assert_int_equal(seen.keys[n], 1);
	assert_true(log_has(&run, "queue: accept id="));
	assert_true(log_has(&run, "from=<sender@example.org> nrcpt=1 size=100 via=test uid="));
}

static void one_key_is_one_message(void **state)
{
	struct client *a, *b;
	struct str frames = STR_INIT(10000);
	char first[80], *text;

	(void)state;
	run_start(&run, NULL);
	a = client_new(&run, "in.ctrl");
	b = client_new(&run, "in.ctrl");
	put_message(&frames, KEY_A, "one\n");
	put_message(&frames, KEY_A, "two\n");
	client_send(a, &frames);
	put_message(&frames, KEY_A, "three\n");
	put(&frames, 'Q', KEY_A);
	client_send(b, &frames);
	text = client_read(a, WAIT_MS);
	assert_non_null(text);
	snprintf(first, sizeof first, "%s", text);
	assert_int_equal(first[0], 'K');
	expect(a, first);
	expect(b, first);
	expect(b, first);
	client_free(a);
	client_free(b);
	assert_int_equal(run_stop(&run, SIGTERM), 0);
	see_journal(&run, &seen);
	assert_int_equal(seen.records, 1);
	assert_int_equal(seen.ended, 1);
}

static void questions(void **state)
{
	struct client *asker, *other;
	struct str frames = STR_INIT(10000);
	char first[80];

	(void)state;
	run_start(&run, NULL);
	asker = client_new(&run, "in.ctrl");
	other = client_new(&run, "in.ctrl");
	/* the other has begun, and the asker is told N: from then on only the asker may finish it */
	put(&frames, 'M', KEY_A);
	put(&frames, 'S', "");
	put(&frames, 'R', "frank");
	put(&frames, 'Q', KEY_B);
	client_send(other, &frames);
	expect(other, "N" KEY_B);
	put(&frames, 'Q', KEY_A);
	client_send(asker, &frames);
	expect(asker, "N" KEY_A);
	put(&frames, 'B', "late\n");
	put(&frames, 'E', "");
	put_message(&frames, KEY_A, "later\n");
	client_send(other, &frames);
	expect(other, "Z" KEY_A);
	expect(other, "Z" KEY_A);
	put_message(&frames, KEY_A, "now\n");
	client_send(asker, &frames);
	snprintf(first, sizeof first, "%s", client_read(asker, WAIT_MS));
	assert_int_equal(first[0], 'K');
	put(&frames, 'Q', KEY_A);
	client_send(other, &frames);
	expect(other, first);
	/* killed right after the answer: the next one knows the key */
	put_message(&frames, KEY_B, "refused, then stored\n");
	client_send(other, &frames);
	expect(other, "K" KEY_B);
	assert_int_equal(run_stop(&run, SIGKILL), 1000 + SIGKILL);
	client_free(asker);
	client_free(other);
	run_start(&run, NULL);
	asker = client_new(&run, "in.ctrl");
	put(&frames, 'Q', KEY_A);
	put(&frames, 'Q', KEY_B);
	put_message(&frames, KEY_B, "again\n");
	client_send(asker, &frames);
	/* KEY_A's file may have been finished before the kill; then nobody needs its key */
	assert_non_null(client_read(asker, WAIT_MS));
	expect(asker, "K" KEY_B);
	expect(asker, "K" KEY_B);
	client_free(asker);
	assert_int_equal(run_stop(&run, SIGTERM), 0);
	see_journal(&run, &seen);
	assert_int_equal(seen.keys[0xaa], 1);
	assert_int_equal(seen.keys[0xbb], 1);
	assert_int_equal(seen.blank, 0);
}

/* A connection is cut after each byte of a submission: then it is stored if its E was there, and the answer to a question says which. */
static void cut_at_each_byte(void **state)
{
	struct str frames = STR_INIT(10000);
	struct client *asker;
	char key[33];
	size_t len;

	(void)state;
	run_start(&run, NULL);
	put_message(&frames, key_text(0, key), "Subject: x\n\nbody\n");
	len = frames.len;
	asker = client_new(&run, "in.ctrl");
	for (unsigned cut = 0; cut <= len; cut++) {
		struct client *c = client_new(&run, "in.ctrl");
		char wanted[40];

		str_cut(&frames, 0);
		put_message(&frames, key_text(cut, key), "Subject: x\n\nbody\n");
		raw_send(c->fd, frames.data, cut);
		client_free(c);
		str_cut(&frames, 0);
		/* closing and asking race, as they do in life: a question too early is answered N, and that is kept */
		put(&frames, 'Q', key_text(cut, key));
		raw_send(asker->fd, frames.data, frames.len);
		char *text = client_read(asker, WAIT_MS);
		assert_non_null(text);
		snprintf(wanted, sizeof wanted, "%c%s", text[0], key);
		assert_int_equal(strncmp(text, wanted, 33), 0);
		assert_true(text[0] == 'N' || (text[0] == 'K' && cut == len));
		if (text[0] == 'N') {
			str_cut(&frames, 0);
			put_message(&frames, key, "again\n");
			raw_send(asker->fd, frames.data, frames.len);
			expect(asker, "K");
		}
	}
	str_free(&frames);
	client_free(asker);
	assert_int_equal(run_stop(&run, SIGTERM), 0);
	see_journal(&run, &seen);
	assert_int_equal(seen.records, len + 1);
	for (unsigned cut = 0; cut <= len; cut++)
		assert_int_equal(seen.keys[cut], 1);
}

static void gone_before_its_answer(void **state)
{
	struct str frames = STR_INIT(10000);
	struct client *c;
	char id[80];

	(void)state;
	run_start(&run, NULL);
	c = client_new(&run, "in.ctrl");
	put_message(&frames, KEY_A, "x\n");
	client_send(c, &frames);
	client_free(c);
	usleep(300000);
	/* it may ask after a restart: the file has no end mark, so the key is found */
	assert_int_equal(run_stop(&run, SIGTERM), 0);
	see_journal(&run, &seen);
	assert_int_equal(seen.records, 1);
	run_start(&run, NULL);
	c = client_new(&run, "in.ctrl");
	put(&frames, 'Q', KEY_A);
	client_send(c, &frames);
	snprintf(id, sizeof id, "%s", client_read(c, WAIT_MS));
	/* the K may have reached the socket before it was closed; then it was answered */
	assert_true(id[0] == 'K' || (id[0] == 'N' && seen.ended == 1));
	client_free(c);
	assert_int_equal(run_stop(&run, SIGTERM), 0);
}

static void half_closed_client_is_answered(void **state)
{
	struct str frames = STR_INIT(10000);
	struct client *c;

	(void)state;
	run_start(&run, "--idle-close", "1", NULL);
	c = client_new(&run, "in.ctrl");
	put_message(&frames, KEY_A, "x\n");
	client_send(c, &frames);
	shutdown(c->fd, SHUT_WR);
	expect(c, "K" KEY_A);
	assert_null(client_read(c, WAIT_MS));
	client_free(c);
	assert_int_equal(run_stop(&run, SIGTERM), 0);
	see_journal(&run, &seen);
	assert_int_equal(seen.ended, 1);
}

static void refuse(struct client *c, struct str *frames, const char *wanted)
{
	client_send(c, frames);
	expect(c, wanted);
}

static void limits_and_bad_envelopes(void **state)
{
	static char big[5000];
	struct str frames = STR_INIT(1 << 20);
	struct client *c;

	(void)state;
	memset(big, 'x', sizeof big - 1);
	run_start(&run, "--limit-size", "6000", "--limit-recipients", "3", NULL);
	c = client_new(&run, "in.ctrl");
	put(&frames, 'M', KEY_A);
	put(&frames, 'S', "");
	put(&frames, 'R', "a");
	put(&frames, 'B', big);
	put(&frames, 'B', big);
	put(&frames, 'B', big);
	put(&frames, 'E', "");
	refuse(c, &frames, "X" KEY_A " message larger than 6000");
	put(&frames, 'M', KEY_A);
	put(&frames, 'S', "");
	for (int i = 0; i < 5; i++)
		put(&frames, 'R', "a");
	put(&frames, 'C', "");
	refuse(c, &frames, "X" KEY_A " too many recipients");
	put(&frames, 'M', KEY_A);
	put(&frames, 'S', "");
	put(&frames, 'E', "");
	refuse(c, &frames, "X" KEY_A " no recipients");
	put(&frames, 'M', KEY_A);
	put(&frames, 'R', "a");
	put(&frames, 'E', "");
	refuse(c, &frames, "X" KEY_A " no sender");
	put(&frames, 'M', KEY_A);
	put(&frames, 'S', "a\nb");
	put(&frames, 'E', "");
	refuse(c, &frames, "X" KEY_A " the sender is no address");
	put(&frames, 'M', KEY_A);
	put(&frames, 'S', "a");
	put(&frames, 'R', "");
	put(&frames, 'E', "");
	refuse(c, &frames, "X" KEY_A " a recipient is empty");
	put(&frames, 'M', KEY_A);
	put(&frames, 'S', "a");
	put(&frames, 'R', big);
	put(&frames, 'E', "");
	refuse(c, &frames, "X" KEY_A " a recipient's address is too long");
	/* C ends it without an answer, and the key may be used */
	put(&frames, 'M', KEY_A);
	put(&frames, 'S', "a");
	put(&frames, 'B', big);
	put(&frames, 'C', "");
	put_message(&frames, KEY_A, big);
	refuse(c, &frames, "K" KEY_A);
	client_free(c);
	assert_int_equal(run_stop(&run, SIGTERM), 0);
	see_journal(&run, &seen);
	assert_int_equal(seen.records, 1);
	assert_true(log_has(&run, "queue: refuse from=<> nrcpt=1 size=4999 via=test"));
}

static void full_file_system(void **state)
{
	struct str frames = STR_INIT(10000);
	struct client *c;

	(void)state;
	run_start(&run, "--min-free", "900000G", NULL);
	c = client_new(&run, "in.ctrl");
	put_message(&frames, KEY_A, "x\n");
	refuse(c, &frames, "Z" KEY_A " no space");
	client_free(c);
	assert_int_equal(run_stop(&run, SIGTERM), 0);
	see_journal(&run, &seen);
	assert_int_equal(seen.files, 0);
}

/* Files may not grow over 64 KiB: writes fail in the midst of a batch.  What was answered K is there and whole, what was answered Z is not. */
static void writes_that_fail(void **state)
{
	struct str frames = STR_INIT(1 << 20);
	static bool stored[200];
	static char body[9000], large[61000];
	unsigned refused = 0;
	struct client *c;
	char key[33];

	(void)state;
	memset(body, 'b', sizeof body - 1);
	memset(large, 'l', sizeof large - 1);
	run.file_size = 64 * 1024;
	run_start(&run, NULL);
	run.file_size = 0;
	c = client_new(&run, "in.ctrl");
	/* in threes, each after the other's answer, then without waiting */
	for (unsigned i = 0, read = 0; i < 200; i++) {
		put_message(&frames, key_text(i, key), body);
		if (i % 3 != 2 && i != 199)
			continue;
		client_send(c, &frames);
		while ((i < 100 || i == 199) && read <= i) {
			char *text = client_read(c, WAIT_MS);

			assert_non_null(text);
			assert_true(text[0] == 'K' || text[0] == 'Z');
			text[33] = 0;
			stored[strtoul(text + 1, NULL, 16)] = text[0] == 'K';
			refused += text[0] == 'Z';
			read++;
		}
	}
	/* a large one whose file cannot grow: nothing is left of it */
	put(&frames, 'M', KEY_A);
	put(&frames, 'S', "a");
	put(&frames, 'R', "b");
	for (int i = 0; i < 5; i++)
		put(&frames, 'B', large);
	put(&frames, 'E', "");
	refuse(c, &frames, "Z" KEY_A);
	client_free(c);
	assert_int_equal(run_stop(&run, SIGTERM), 0);
	see_journal(&run, &seen);
	assert_true(refused > 0 && refused < 200);
	assert_int_equal(seen.records, 200 - refused);
	assert_int_equal(seen.torn, 0);
	assert_int_equal(seen.ended, seen.files);
	for (unsigned i = 0; i < 200; i++)
		assert_int_equal(seen.keys[i], stored[i]);
}

static void large_messages(void **state)
{
	struct str frames = STR_INIT(64 << 20);
	struct client *c[8], *cut;
	static char piece[60001];
	char key[33], wanted[40];

	(void)state;
	memset(piece, 'p', sizeof piece - 1);
	run_start(&run, "--limit-size", "4M", NULL);
	for (unsigned i = 0; i < 8; i++)
		c[i] = client_new(&run, "in.ctrl");
	cut = client_new(&run, "in.ctrl");
	put(&frames, 'M', KEY_A);
	put(&frames, 'S', "");
	put(&frames, 'R', "x");
	for (int i = 0; i < 5; i++)
		put(&frames, 'B', piece);
	client_send(cut, &frames);
	for (unsigned i = 0; i < 8; i++) {
		put(&frames, 'M', key_text(i, key));
		put(&frames, 'S', "");
		put(&frames, 'R', "x");
		for (unsigned j = 0; j <= i * 4 + 1; j++)
			put(&frames, 'B', piece);
		/* some end where everything is written already */
		if (i % 2)
			put(&frames, 'B', "end\n");
		put(&frames, 'E', "");
		put_message(&frames, key_text(100 + i, key), "small\n");
		client_send(c[i], &frames);
	}
	for (unsigned i = 0; i < 8; i++) {
		for (int j = 0; j < 2; j++) {
			char *text = client_read(c[i], WAIT_MS);

			assert_non_null(text);
			snprintf(wanted, sizeof wanted, "K%s", key_text(i, key));
			if (strncmp(text, wanted, 33)) {
				snprintf(wanted, sizeof wanted, "K%s", key_text(100 + i, key));
				assert_int_equal(strncmp(text, wanted, 33), 0);
			}
		}
	}
	/* over the limit, when it has a file already */
	put(&frames, 'M', KEY_B);
	put(&frames, 'S', "");
	put(&frames, 'R', "x");
	for (unsigned j = 0; j <= 80; j++)
		put(&frames, 'B', piece);
	put(&frames, 'E', "");
	refuse(c[0], &frames, "X" KEY_B);
	client_free(cut);
	for (unsigned i = 0; i < 8; i++)
		client_free(c[i]);
	assert_int_equal(run_stop(&run, SIGTERM), 0);
	see_journal(&run, &seen);
	assert_int_equal(seen.records, 16);
	assert_int_equal(seen.ended, seen.files);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(seen.keys[i] + seen.keys[100 + i], 2);
}

/* Those of middling size share files and syncs with the small ones as long as there is memory for them. */
static void middling_messages(void **state)
{
	static char body[100001], piece[60001];
	struct client *c, *hogs[2];
	char key[33], wanted[40];

	memset(body, 'm', sizeof body - 1);
	memset(piece, 'p', sizeof piece - 1);
	for (int short_of_memory = 0; short_of_memory < 2; short_of_memory++) {
		struct str frames = STR_INIT(2 << 20);

		run_start(&run, "--buffer", "1M", "--idle-close", "2000", NULL);
		/* what is not complete takes its share of the memory */
		for (int i = 0; i < 2; i++) {
			hogs[i] = client_new(&run, "in.ctrl");
			put(&frames, 'M', i ? KEY_A : KEY_B);
			put(&frames, 'S', "");
			put(&frames, 'R', "x");
			for (int j = 0; j < 4 && short_of_memory; j++)
				put(&frames, 'B', piece);
			client_send(hogs[i], &frames);
		}
		usleep(100000);
		c = client_new(&run, "in.ctrl");
		for (unsigned i = 0; i < 8; i++) {
			put_message(&frames, key_text(i, key), body);
			client_send(c, &frames);
			snprintf(wanted, sizeof wanted, "K%s", key);
			expect(c, wanted);
		}
		client_free(c);
		for (int i = 0; i < 2; i++)
			client_free(hogs[i]);
		assert_int_equal(run_stop(&run, SIGTERM), 0);
		see_journal(&run, &seen);
		assert_int_equal(seen.records, 8);
		assert_int_equal(seen.ended, seen.files);
		assert_int_equal(seen.files, short_of_memory ? 8 : 1);
		teardown(state);
		setup(state);
	}
}

/* More large messages at once than may stream, and less memory than they need: all of them end, none of them hangs. */
static void more_than_memory(void **state)
{
	enum { CLIENTS = 90 };
	static char piece[60001];
	struct client *c[CLIENTS];
	char key[33];
	unsigned stored = 0;

	(void)state;
	memset(piece, 'p', sizeof piece - 1);
	run_start(&run, "--buffer", "2M", NULL);
	for (unsigned round = 0; round < 3; round++)
		for (unsigned i = 0; i < CLIENTS; i++) {
			struct str frames = STR_INIT(1 << 20);

			if (round == 0) {
				c[i] = client_new(&run, "in.ctrl");
				put(&frames, 'M', key_text(i, key));
				put(&frames, 'S', "");
				put(&frames, 'R', "x");
			}
			put(&frames, 'B', piece);
			if (round == 2)
				put(&frames, 'E', "");
			client_send(c[i], &frames);
		}
	for (unsigned i = 0; i < CLIENTS; i++) {
		char *text = client_read(c[i], WAIT_MS);

		assert_non_null(text);
		assert_true(text[0] == 'K' || text[0] == 'Z');
		stored += text[0] == 'K';
		client_free(c[i]);
	}
	assert_int_equal(run_stop(&run, SIGTERM), 0);
	see_journal(&run, &seen);
	assert_int_equal(seen.records, stored);
	assert_true(stored > 0);
}

/* Who asks without end for a message that is on its way to the disk does not fill the memory with it. */
static void questions_without_end(void **state)
{
	enum { QUESTIONS = 4500 };
	struct str frames = STR_INIT(1 << 20);
	struct client *c;
	unsigned known = 0, later = 0;

	(void)state;
	run_start(&run, NULL);
	c = client_new(&run, "in.ctrl");
	put_message(&frames, KEY_A, "x\n");
	for (unsigned i = 0; i < QUESTIONS; i++)
		put(&frames, 'Q', KEY_A);
	/* so that all of it is read at once, and the commit comes behind it */
	kill(run.pid, SIGSTOP);
	client_send(c, &frames);
	kill(run.pid, SIGCONT);
	while (known + later < QUESTIONS + 1) {
		char *text = client_read(c, WAIT_MS);

		assert_non_null(text);
		known += text[0] == 'K';
		later += text[0] == 'Z';
	}
	assert_true(known > 0);
	assert_true(later > 0);
	client_free(c);
	assert_int_equal(run_stop(&run, SIGTERM), 0);
	see_journal(&run, &seen);
	assert_int_equal(seen.keys[0xaa], 1);
}

static void attributes_need_trust(void **state)
{
	struct str frames = STR_INIT(10000);

	(void)state;
	run_start(&run, "--idle-close", "1", NULL);
	for (int trusted = 0; trusted < 2; trusted++) {
		struct client *c = client_new(&run, trusted ? "trust.ctrl" : "in.ctrl");

		put(&frames, 'M', trusted ? KEY_A : KEY_B);
		put(&frames, 'S', "");
		put(&frames, 'A', "client=[192.0.2.1]");
		put(&frames, 'A', "helo=there");
		put(&frames, 'A', "proto=ESMTP");
		put(&frames, 'A', "groups=google six");
		put(&frames, 'A', "body=8BITMIME");
		put(&frames, 'A', "body=again");
		put(&frames, 'A', "unheard=of");
		put(&frames, 'R', "x");
		put(&frames, 'r', "notify=NEVER");
		put(&frames, 'r', "unheard=of");
		put(&frames, 'B', "x\n");
		put(&frames, 'E', "");
		refuse(c, &frames, "K");
		client_free(c);
		usleep(30000);
	}
	assert_int_equal(run_stop(&run, SIGTERM), 0);
	see_journal(&run, &seen);
	assert_int_equal(seen.records, 2);
	char command[300];
	snprintf(command, sizeof command, "cat %s/journal/*-* > %s/all", run.dir, run.dir);
	assert_int_equal(system(command), 0);
	snprintf(command, sizeof command, "grep -c '^attr body 8BITMIME$' %s/all | grep -qx 2 && ! grep -q 'again\\|unheard' %s/all", run.dir, run.dir);
	assert_int_equal(system(command), 0);
	snprintf(command, sizeof command, "grep -c '^attr client' %s/all | grep -qx 1", run.dir);
	assert_int_equal(system(command), 0);
	snprintf(command, sizeof command, "grep -c '^attr groups google six$' %s/all | grep -qx 1", run.dir);
	assert_int_equal(system(command), 0);
	snprintf(command, sizeof command, "grep -c '^Received: from there .\\[192.0.2.1\\]. by test.example with ESMTP id' %s/all | grep -qx 1", run.dir);
	assert_int_equal(system(command), 0);
	snprintf(command, sizeof command, "grep -c '^Received: by test.example .deaddrop test, uid' %s/all | grep -qx 1", run.dir);
	assert_int_equal(system(command), 0);
}

/* What a recipient's attributes take together is bounded: a deliverer takes only so many for a job. */
static void recipient_attributes_count_once(void **state)
{
	struct str frames = STR_INIT(1 << 20);
	struct client *c;
	char command[300];

	(void)state;
	run_start(&run, NULL);
	c = client_new(&run, "in.ctrl");
	put(&frames, 'M', KEY_A);
	put(&frames, 'S', "");
	for (int n = 0; n < 2; n++) {
		put(&frames, 'R', "x");
		put(&frames, 'r', "orcpt=rfc822;first");
		for (int i = 0; i < 700; i++)
			put(&frames, 'r', "orcpt=rfc822;more");
		put(&frames, 'r', "notify=NEVER");
	}
	put(&frames, 'E', "");
	client_send(c, &frames);
	expect(c, "K" KEY_A);
	client_free(c);
	assert_int_equal(run_stop(&run, SIGTERM), 0);
	snprintf(command, sizeof command, "cat %s/journal/*-* | grep -a '^rattr' | sort | uniq -c | sed 's/^ *//' | tr '\\n' , | grep -Fqx "
	    "'2 rattr notify NEVER,2 rattr orcpt rfc822;first,'", run.dir);
	assert_int_equal(system(command), 0);
}

static void rule_breakers_are_dropped(void **state)
{
	static const char *const wrong[] = {
		"1:E,", "1:B,", "1:C,", "3:Mxx,", "1:?,", "0:,", "01:E,", "33:M0000000000000000000000000000000a,1:E,", "x", "9999999999:",
		"33:M0000000000000000000000000000000a,33:M0000000000000000000000000000000b,", "33:M0000000000000000000000000000000a,1:B,2:Rx,",
		"33:M0000000000000000000000000000000a,3:Axx,", "33:M0000000000000000000000000000000a,10:rnotify=xx,", "4:Habc,",
	};
	struct str frames = STR_INIT(10000);
	struct client *c, *good;
	unsigned seed = 1;

	(void)state;
	run_start(&run, NULL);
	good = client_new(&run, "in.ctrl");
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		c = client_new(&run, "in.ctrl");
		raw_send(c->fd, wrong[i], strlen(wrong[i]));
		shutdown(c->fd, SHUT_WR);
		char *text = client_read(c, WAIT_MS);
		/* an E of an empty envelope is no breach: it is answered */
		assert_true(!text || text[0] == 'X');
		client_free(c);
	}
	for (unsigned i = 0; i < 300; i++) {
		char noise[400];
		static const char pieces[] = "0123456789:,MSARrBECQHabcdef = \n\0%";

		c = client_new(&run, "in.ctrl");
		for (size_t j = 0; j < sizeof noise; j++)
			noise[j] = pieces[(unsigned)rand_r(&seed) % sizeof pieces];
		raw_send(c->fd, noise, sizeof noise);
		client_free(c);
	}
	put_message(&frames, KEY_A, "x\n");
	refuse(good, &frames, "K" KEY_A);
	client_free(good);
	assert_int_equal(run_stop(&run, SIGTERM), 0);
	see_journal(&run, &seen);
	assert_int_equal(seen.records, 1);
	assert_true(log_has(&run, "queue: protocol uid="));
}

static void term_finishes_what_is_complete(void **state)
{
	struct str frames = STR_INIT(1 << 20);
	struct client *a, *b;
	char key[33];

	(void)state;
	run_start(&run, NULL);
	a = client_new(&run, "in.ctrl");
	b = client_new(&run, "in.ctrl");
	put(&frames, 'M', KEY_B);
	put(&frames, 'S', "");
	put(&frames, 'R', "x");
	client_send(b, &frames);
	for (unsigned i = 0; i < 100; i++)
		put_message(&frames, key_text(i, key), "x\n");
	client_send(a, &frames);
	expect(a, "K");
	assert_int_equal(run_stop(&run, SIGTERM), 0);
	unsigned answered = 1;
	while (client_read(a, WAIT_MS))
		answered++;
	assert_null(client_read(b, WAIT_MS));
	client_free(a);
	client_free(b);
	see_journal(&run, &seen);
	assert_int_equal(seen.records, answered);
	assert_int_equal(seen.ended, seen.files);
}

static void only_one_queue(void **state)
{
	struct run second = run;
	char path[100];

	(void)state;
	run_start(&run, NULL);
	/* the sockets have locks of their own: other sockets, the same spool */
	snprintf(path, sizeof path, "%s/other.ctrl", run.dir);
	second.pid = fork();
	if (!second.pid) {
		char spool[100], name[] = "queue", in[] = "--in", dir[] = "--spool", sandbox[] = "--sandbox", mode[] = SANDBOX;
		char *argv[] = { name, in, path, dir, spool, sandbox, mode, NULL };

		snprintf(spool, sizeof spool, "%s", run.dir);
		close(2);
		_exit(stage_main(&run_program, 7, argv));
	}
	assert_int_equal(run_wait(&second), 75);
	assert_int_equal(run_stop(&run, SIGTERM), 0);
}

static void once(void **state)
{
	struct str frames = STR_INIT(1000);
	struct client *c;

	(void)state;
	run_start(&run, "--once", NULL);
	c = client_new(&run, "in.ctrl");
	put_message(&frames, KEY_A, "x\n");
	refuse(c, &frames, "K" KEY_A);
	client_free(c);
	assert_int_equal(run_wait(&run), 0);
	see_journal(&run, &seen);
	assert_int_equal(seen.records, 1);
	assert_int_equal(seen.ended, 1);
}

/* Killed at any moment, again and again, under a client that asks for what it has no answer to and resends after N alone. */
static void killed_again_and_again(void **state)
{
	enum { TOTAL = 600, ROUNDS = 25 };
	static bool answered[TOTAL], sent[TOTAL];
	static char large[300001], middling[100001];
	unsigned left = TOTAL, seed = 7;
	char key[33];

	(void)state;
	memset(large, 'l', sizeof large - 1);
	memset(middling, 'm', sizeof middling - 1);
	for (unsigned round = 0; left; round++) {
		struct str frames = STR_INIT(64 << 20);
		struct client *c;
		char *text;

		run_start(&run, "--idle-close", "1", NULL);
		c = client_new(&run, "in.ctrl");
		for (unsigned i = 0; i < TOTAL; i++)
			if (sent[i] && !answered[i])
				put(&frames, 'Q', key_text(i, key));
		put(&frames, 'Q', "ffffffffffffffffffffffffffffffff");
		client_send(c, &frames);
		while ((text = client_read(c, WAIT_MS)) && strncmp(text + 1, "ffffffff", 8)) {
			unsigned n;

			text[33] = 0;
			n = (unsigned)strtoul(text + 25, NULL, 16);
			assert_true(text[0] == 'K' || text[0] == 'N');
			sent[n] = answered[n] = text[0] == 'K';
			left -= text[0] == 'K';
		}
		unsigned group = 0;
		for (unsigned i = 0; i < TOTAL && group < TOTAL / ROUNDS * 2; i++)
			if (!sent[i]) {
				put_message(&frames, key_text(i, key), i % 40 == 39 ? large : i % 40 == 19 ? middling : "small\n");
				sent[i] = true;
				group++;
			}
		client_send(c, &frames);
		if (round < ROUNDS) {
			usleep((unsigned)rand_r(&seed) % 6000);
			assert_int_equal(run_stop(&run, SIGKILL), 1000 + SIGKILL);
		}
		while (group-- && (text = client_read(c, round < ROUNDS ? 0 : WAIT_MS)) && text[0] == 'K') {
			text[33] = 0;
			answered[strtoul(text + 25, NULL, 16)] = true;
			left--;
		}
		client_free(c);
		if (round >= ROUNDS)
			assert_int_equal(run_stop(&run, SIGTERM), 0);
	}
	if (run.pid == 0)
		run_start(&run, NULL);
	assert_int_equal(run_stop(&run, SIGTERM), 0);
	/* torn tails may be there; what counts is the whole records, each key once */
	see_journal(&run, &seen);
	assert_int_equal(seen.records, TOTAL);
	for (unsigned i = 0; i < TOTAL; i++)
		assert_int_equal(seen.keys[i], 1);
}

/* send's end: what is announced, and in which order. */
static void announcements(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct str frames = STR_INIT(1000);
	struct client *c, *send_end = calloc(1, sizeof *send_end);
	char id[80], wanted[100], answer[100];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	snprintf(address.sun_path, sizeof address.sun_path, "%s/send.ctrl", run.dir);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(fd, 5), 0);
	run_start(&run, "--out", address.sun_path, "--key-hold", "1", NULL);
	send_end->fd = accept(fd, NULL, NULL);
	raw_send(send_end->fd, "7:Hsend 1,", 10);
	c = client_new(&run, "in.ctrl");
	put_message(&frames, KEY_A, "x\n");
	client_send(c, &frames);
	snprintf(answer, sizeof answer, "%s", client_read(c, WAIT_MS));
	assert_int_equal(answer[0], 'K');
	snprintf(id, sizeof id, "%s", strchr(answer, ' ') + 1);
	id[ID_NAME_LEN] = 0;
	snprintf(wanted, sizeof wanted, "C%s ", id);
	expect(send_end, wanted);
	snprintf(wanted, sizeof wanted, "E%s ", id);
	expect(send_end, wanted);
	/* nobody asks for older keys any more, and after that it is said on each connection */
	expect(send_end, "U");
	close(send_end->fd);
	send_end->fd = accept(fd, NULL, NULL);
	send_end->in_len = send_end->in_done = 0;
	raw_send(send_end->fd, "7:Hsend 1,", 10);
	expect(send_end, "U");
	client_free(c);
	client_free(send_end);
	close(fd);
	assert_int_equal(run_stop(&run, SIGTERM), 0);
}

static void leftovers_at_the_start(void **state)
{
	struct str frames = STR_INIT(1000);
	struct client *c;
	char command[1000];

	(void)state;
	run_start(&run, NULL);
	c = client_new(&run, "in.ctrl");
	put_message(&frames, KEY_A, "x\n");
	refuse(c, &frames, "K" KEY_A);
	put_message(&frames, KEY_B, "x\n");
	refuse(c, &frames, "K" KEY_B);
	assert_int_equal(run_stop(&run, SIGKILL), 1000 + SIGKILL);
	client_free(c);
	/* blank ones go, a torn tail and strangers stay */
	snprintf(command, sizeof command, "cd %s/journal && : > 1000000000000000-0000000000000000 && head -c 20000 /dev/zero > 1000000000000000-0000000000000001"
	    " && echo stranger > 1000000000000000-0000000000000002 && ln -s /etc/passwd 1000000000000000-0000000000000003"
	    " && mkdir 1000000000000000-0000000000000004 && echo README > README", run.dir);
	assert_int_equal(system(command), 0);
	run_start(&run, NULL);
	c = client_new(&run, "in.ctrl");
	put(&frames, 'Q', KEY_A);
	put(&frames, 'Q', KEY_B);
	client_send(c, &frames);
	expect(c, "K" KEY_A);
	expect(c, "K" KEY_B);
	client_free(c);
	assert_int_equal(run_stop(&run, SIGTERM), 0);
	snprintf(command, sizeof command, "cd %s/journal && ! test -e 1000000000000000-0000000000000000 && ! test -e 1000000000000000-0000000000000001"
	    " && test -f 1000000000000000-0000000000000002 && test -h 1000000000000000-0000000000000003 && test -d 1000000000000000-0000000000000004"
	    " && test -f README && rm -r 1000000000000000-*", run.dir);
	assert_int_equal(system(command), 0);
	see_journal(&run, &seen);
	assert_int_equal(seen.records, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(many_pipelined_messages), TEST(one_key_is_one_message), TEST(questions), TEST(cut_at_each_byte), TEST(gone_before_its_answer),
		TEST(half_closed_client_is_answered), TEST(limits_and_bad_envelopes), TEST(full_file_system), TEST(writes_that_fail),
		TEST(large_messages), TEST(middling_messages), TEST(more_than_memory), TEST(questions_without_end),
		TEST(attributes_need_trust), TEST(recipient_attributes_count_once), TEST(rule_breakers_are_dropped),
		TEST(term_finishes_what_is_complete), TEST(only_one_queue), TEST(once), TEST(killed_again_and_again), TEST(announcements), TEST(leftovers_at_the_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
