/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "crc32c.h"
#include "spool.h"

#define MARK UINT64_C(0xfeedfacecafebeef)

struct fixture {
	char path[64];
	struct spool spool;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	struct str error = STR_INIT(1024);

	snprintf(f->path, sizeof f->path, "/tmp/deaddrop-spool.XXXXXX");
	assert_non_null(mkdtemp(f->path));
	assert_int_equal(spool_open(&f->spool, f->path, &error), -1);
	assert_int_equal(errno, ENOENT);
	assert_non_null(strstr(error.data, "/journal: it does not exist"));
	for (int i = 0; i < SPOOL_PLACES; i++) {
		char name[128];

		snprintf(name, sizeof name, "%s/%s", f->path, spool_place_name((enum spool_place)i));
		assert_int_equal(mkdir(name, 0700), 0);
	}
	assert_int_equal(spool_open(&f->spool, f->path, &error), 0);
	str_free(&error);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	char command[128];

	spool_close(&f->spool);
	snprintf(command, sizeof command, "rm -rf '%s'", f->path);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static void write_file(struct fixture *f, enum spool_place place, const char *name, const struct str *bytes)
{
	int fd = openat(f->spool.dir[place], name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes->data, bytes->len), bytes->len);
	close(fd);
}

/* A record of n recipients r0, r1, … */
static void put_record(struct str *out, struct id id, unsigned n, size_t body)
{
	struct envelope e;
	struct record_header header = { MARK, id, 1, out->len, span_of("-"), span_of("test"), 0, 1, &e };
	char *message = malloc(body + 1);

	memset(message, 'x', body);
	envelope_init(&e, 1 << 20);
	for (unsigned i = 0; i < n; i++) {
		char address[32];

		snprintf(address, sizeof address, "r%u", i);
		assert_int_equal(envelope_add_recipient(&e, span_of(address)), 0);
	}
	assert_int_equal(record_build(out, &header, body, crc32c(record_body_crc(MARK), message, body)), 0);
	assert_int_equal(str_append(out, message, body), 0);
	envelope_free(&e);
	free(message);
}

static void put_line(struct str *out, const char *file, uint32_t index, uint32_t rcpt, enum outcome_state state, const char *drop, const char *address)
{
	struct outcome_line line = { index, rcpt, state, 1, 7, span_of("4.0.0"), span_of(drop), span_of(address), span_of("why not"), false, false, false };

	assert_int_equal(outcome_line_write(out, span_of(file), &line), 0);
}

/* The walk as text: "place index:address=state(drop) … ;" */
static void told(struct fixture *f, struct str *out, int *errors)
{
	struct spool_walk *walk = spool_walk_new(&f->spool);
	struct spool_entry entry;
	struct span body;
	struct id id;
	size_t turn = 0;
	int result;

	*errors = 0;
	str_cut(out, 0);
	while ((result = spool_walk_next(walk, &entry)) != 0) {
		if (result < 0) {
			++*errors;
			continue;
		}
		/* The message's beginning, of any length, changes nothing of what is told. */
		if (turn++ % 2 == 0) {
			size_t most = turn * 12345 % 70000;

			id = entry.record.id;
			assert_int_equal(spool_walk_body(walk, &entry, most, &body), 0);
			assert_int_equal(body.len, entry.record.body_len < most ? entry.record.body_len : most);
			assert_true(id_equal(entry.record.id, id) && (body.len == 0 || memchr(body.data, 'x', body.len) != NULL));
		}
		assert_int_equal(str_printf(out, "%s %u%s:", spool_place_name(entry.place), entry.record.id.index & ID_INDEX_MAX,
		    entry.record.id.index & ID_BOUNCE ? "b" : ""), 0);
		for (size_t i = 0; i < entry.count; i++) {
			const struct spool_recipient *r = &entry.recipients[i];

			assert_int_equal(str_printf(out, " %.*s=%s", (int)r->address.len, r->address.data,
			    r->has_line ? outcome_state_name(r->line.state) : "new"), 0);
			if (r->has_line) {
				assert_int_equal(str_printf(out, "(%.*s)", (int)r->line.drop.len, r->line.drop.data), 0);
				assert_true(span_is(r->line.reason, "why not"));
			}
		}
		assert_int_equal(str_add(out, "; "), 0);
	}
	assert_int_equal(spool_walk_next(walk, &entry), 0);
	spool_walk_free(walk);
}

static struct id make_id(unsigned n, uint32_t index)
{
	return (struct id){ { 1763712345000000 + n, n }, index };
}

static void names_sorted(void **state)
{
	struct fixture *f = *state;
	struct str empty = STR_INIT(16);
	char text[ID_TEXT_MAX];
	struct id *ids;
	size_t count;

	write_file(f, SPOOL_JOURNAL, "lock", &empty);
	for (unsigned n = 5; n > 0; n--) {
		id_name_text(make_id(n, 0).name, text);
		write_file(f, SPOOL_JOURNAL, text, &empty);
		id_text(make_id(n / 3, n), text);
		write_file(f, SPOOL_DEFERRED, text, &empty);
		strcat(text, ".tmp");
		write_file(f, SPOOL_DEFERRED, text, &empty);
	}
	for (int round = 0; round < 2; round++) {
		assert_int_equal(spool_names(&f->spool, SPOOL_JOURNAL, &ids, &count), 0);
		assert_int_equal(count, 5);
		for (unsigned n = 0; n < 5; n++)
			assert_true(id_equal(ids[n], make_id(n + 1, 0)));
		free(ids);
	}
	assert_int_equal(spool_names(&f->spool, SPOOL_DEFERRED, &ids, &count), 0);
	assert_int_equal(count, 5);
	for (unsigned n = 0; n < 5; n++)
		assert_true(id_equal(ids[n], make_id((n + 1) / 3, n + 1)));
	free(ids);
	assert_int_equal(spool_names(&f->spool, SPOOL_DEAD, &ids, &count), 0);
	assert_int_equal(count, 0);
	free(ids);
}

static void journal_with_outcomes(void **state)
{
	struct fixture *f = *state;
	struct str file = STR_INIT(1 << 24), lines = STR_INIT(1 << 20), got = STR_INIT(1 << 20);
	char name[ID_TEXT_MAX];
	int errors;

	id_name_text(make_id(1, 0).name, name);
	put_record(&file, make_id(1, 0), 2, 100);
	put_record(&file, make_id(1, 1), 1, 200000);		/* its body is hopped over */
	put_record(&file, make_id(1, 2), 3, 0);
	put_record(&file, make_id(1, 3), 20000, 5);		/* a header larger than a window */
	put_record(&file, make_id(1, 4), 1, 5);
	write_file(f, SPOOL_JOURNAL, name, &file);
	told(f, &got, &errors);
	assert_int_equal(errors, 0);
	assert_ptr_equal(got.data, strstr(got.data, "journal 0: r0=new r1=new; journal 1: r0=new; journal 2: r0=new r1=new r2=new; journal 3: r0=new "));
	assert_non_null(strstr(got.data, " r19999=new; journal 4: r0=new; "));

	put_line(&lines, name, 0, 0, OUTCOME_STATE_TRY_LATER, "local:inbox", "");
	put_line(&lines, name, 1, 0, OUTCOME_STATE_DONE, "local:inbox", "");		/* final: passed over */
	put_line(&lines, name, 0, 0, OUTCOME_STATE_TRY_LATER, "imap:a b", "frank");
	put_line(&lines, "1763712345000000-0000000000000009", 0, 1, OUTCOME_STATE_DONE, "local:inbox", "");	/* another file's */
	assert_int_equal(str_add(&lines, "%o torn"), 0);
	put_line(&lines, name, 2, 0, OUTCOME_STATE_FAILED, "local:inbox", "");
	put_line(&lines, name, 2, 1, OUTCOME_STATE_DONE, "local:inbox", "");
	put_line(&lines, name, 2, 99, OUTCOME_STATE_DONE, "local:inbox", "");
	put_line(&lines, name, 3, OUTCOME_ALL, OUTCOME_STATE_MOVED, "", "");
	put_line(&lines, name, 0, 0, OUTCOME_STATE_DONE, "local:inbox", "");
	put_line(&lines, name, 4, 0, OUTCOME_STATE_TRY_LATER, "", "");
	assert_int_equal(str_append(&lines, "%o 1\0\0\0\0", 8), 0);
	write_file(f, SPOOL_OUTCOME, name, &lines);
	told(f, &got, &errors);
	assert_int_equal(errors, 0);
	assert_string_equal(got.data, "journal 0: r0=later(imap:a b) r0=done(local:inbox) r1=new; "
	    "journal 2: r0=failed(local:inbox) r1=done(local:inbox) r2=new; journal 4: r0=later(); ");

	str_cut(&lines, lines.len - 8);
	put_line(&lines, name, 2, OUTCOME_ALL, OUTCOME_STATE_BOUNCED, "", "");
	put_line(&lines, name, 0, OUTCOME_ALL, OUTCOME_STATE_HELD, "", "");
	put_line(&lines, name, 4, 0, OUTCOME_STATE_DONE, "local:inbox", "");
	write_file(f, SPOOL_OUTCOME, name, &lines);
	told(f, &got, &errors);
	assert_string_equal(got.data, "journal 0: r0=held(imap:a b) r0=done(local:inbox) r1=held(); "
	    "journal 2: r0=bounced(local:inbox) r1=done(local:inbox) r2=new; ");

	put_line(&lines, name, 0, OUTCOME_ALL, OUTCOME_STATE_REMOVED, "", "");
	put_line(&lines, name, 2, 2, OUTCOME_STATE_DONE, "local:inbox", "");
	write_file(f, SPOOL_OUTCOME, name, &lines);
	told(f, &got, &errors);
	assert_string_equal(got.data, "");
	str_free(&file);
	str_free(&lines);
	str_free(&got);
}

static void deferred_and_dead(void **state)
{
	struct fixture *f = *state;
	struct str file = STR_INIT(1 << 20), got = STR_INIT(1 << 20);
	char id[ID_TEXT_MAX];
	int errors;

	id_text(make_id(2, 5), id);
	put_record(&file, make_id(2, 5), 2, 70000);
	put_line(&file, id, 5, 0, OUTCOME_STATE_TRY_LATER, "imap:phone", "");
	put_line(&file, id, 5, 1, OUTCOME_STATE_DONE, "imap:phone", "");
	write_file(f, SPOOL_DEFERRED, id, &file);
	write_file(f, SPOOL_DEAD, id, &file);
	id_text(make_id(2, 6), id);
	write_file(f, SPOOL_DEFERRED, id, &file);		/* not the message its name says */
	str_cut(&file, 0);
	id_text(make_id(3, ID_BOUNCE | 5), id);
	put_record(&file, make_id(3, ID_BOUNCE | 5), 1, 10);
	write_file(f, SPOOL_DEFERRED, id, &file);
	str_cut(&file, 40);
	id_text(make_id(4, 0), id);
	write_file(f, SPOOL_DEFERRED, id, &file);		/* torn */
	id_text(make_id(5, 0), id);
	assert_int_equal(symlinkat("/etc/passwd", f->spool.dir[SPOOL_DEFERRED], id), 0);
	told(f, &got, &errors);
	assert_string_equal(got.data, "deferred 5: r0=later(imap:phone) r1=done(imap:phone); deferred 5b: r0=new; "
	    "dead 5: r0=later(imap:phone) r1=done(imap:phone); ");
	assert_int_equal(errors, 3);
	str_free(&file);
	str_free(&got);
}

static void damage(void **state)
{
	struct fixture *f = *state;
	struct str file = STR_INIT(1 << 20), copy = STR_INIT(1 << 20), got = STR_INIT(1 << 20);
	char name[ID_TEXT_MAX];
	size_t second, end;
	int errors;

	id_name_text(make_id(1, 0).name, name);
	put_record(&file, make_id(1, 0), 1, 100);
	second = file.len;
	put_record(&file, make_id(1, 1), 1, 150000);
	put_record(&file, make_id(1, 2), 1, 100);
	end = file.len;

	assert_int_equal(str_set(&copy, str_span(&file)), 0);
	copy.data[second + 80] ^= 1;
	write_file(f, SPOOL_JOURNAL, name, &copy);
	told(f, &got, &errors);
	assert_string_equal(got.data, "journal 0: r0=new; journal 2: r0=new; ");
	assert_int_equal(errors, 1);

	/* Cut in the last record, at each byte: a torn tail, no error. */
	for (size_t len = end - 1; len > end - 400; len -= 7) {
		str_cut(&copy, 0);
		assert_int_equal(str_append(&copy, file.data, len), 0);
		write_file(f, SPOOL_JOURNAL, name, &copy);
		told(f, &got, &errors);
		assert_int_equal(errors, 0);
		assert_memory_equal(got.data, "journal 0: r0=new; ", 19);
		assert_null(strstr(got.data, "journal 2"));
	}

	/* NULs written beforehand, and the end mark. */
	assert_int_equal(str_set(&copy, str_span(&file)), 0);
	assert_int_equal(str_append(&copy, "\0\0\0", 3), 0);
	write_file(f, SPOOL_JOURNAL, name, &copy);
	told(f, &got, &errors);
	assert_string_equal(got.data, "journal 0: r0=new; journal 1: r0=new; journal 2: r0=new; ");
	str_cut(&copy, end);
	assert_int_equal(record_end_mark(&copy, MARK, end), 0);
	write_file(f, SPOOL_JOURNAL, name, &copy);
	told(f, &got, &errors);
	assert_string_equal(got.data, "journal 0: r0=new; journal 1: r0=new; journal 2: r0=new; ");
	assert_int_equal(errors, 0);

	/* A version to come is left alone. */
	str_cut(&copy, 0);
	assert_int_equal(str_add(&copy, "%deaddrop 2 something else"), 0);
	write_file(f, SPOOL_JOURNAL, name, &copy);
	told(f, &got, &errors);
	assert_string_equal(got.data, "");
	assert_int_equal(errors, 1);
	str_free(&file);
	str_free(&copy);
	str_free(&got);
}

static void vanished_file(void **state)
{
	struct fixture *f = *state;
	struct str file = STR_INIT(1 << 20);
	struct spool_walk *walk;
	struct spool_entry entry;
	char name[ID_TEXT_MAX];

	for (unsigned n = 1; n <= 3; n++) {
		str_cut(&file, 0);
		put_record(&file, make_id(n, 0), 1, 1);
		id_name_text(make_id(n, 0).name, name);
		write_file(f, SPOOL_JOURNAL, name, &file);
	}
	walk = spool_walk_new(&f->spool);
	assert_int_equal(spool_walk_next(walk, &entry), 1);
	id_name_text(make_id(2, 0).name, name);
	assert_int_equal(unlinkat(f->spool.dir[SPOOL_JOURNAL], name, 0), 0);
	assert_int_equal(spool_walk_next(walk, &entry), 1);
	assert_true(id_equal(entry.record.id, make_id(3, 0)));
	assert_int_equal(spool_walk_next(walk, &entry), 0);
	spool_walk_free(walk);
	spool_walk_free(NULL);
	str_free(&file);
}

static void refused_places(void **state)
{
	struct fixture *f = *state;
	struct str error = STR_INIT(1024);
	struct spool other;

	assert_int_equal(unlinkat(f->spool.dir[SPOOL_JOURNAL], "../dead", AT_REMOVEDIR), 0);
	assert_int_equal(symlinkat("journal", f->spool.dir[SPOOL_JOURNAL], "../dead"), 0);
	assert_int_equal(spool_open(&other, f->path, &error), -1);
	assert_non_null(strstr(error.data, "/dead: it is no directory"));
	assert_int_equal(spool_open(&other, "/nonexistent/spool", &error), -1);
	assert_non_null(strstr(error.data, "/nonexistent/spool: it does not exist"));
	str_free(&error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(names_sorted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(journal_with_outcomes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(deferred_and_dead, set_up, tear_down),
		cmocka_unit_test_setup_teardown(damage, set_up, tear_down),
		cmocka_unit_test_setup_teardown(vanished_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refused_places, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
