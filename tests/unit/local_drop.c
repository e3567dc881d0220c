/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Drops: local.conf, and folders from arguments that anybody may have made up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../local/drop.h"

struct fixture {
	char file[64];
	struct drop_table table;
	struct str error;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	int fd;

	strcpy(f->file, "/tmp/local_drop.XXXXXX");
	fd = mkstemp(f->file);
	if (fd >= 0)
		close(fd);
	f->error = (struct str)STR_INIT(4096);
	*state = f;
	return fd < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	unlink(f->file);
	drop_free(&f->table);
	str_free(&f->error);
	free(f);
	return 0;
}

static int read_text(struct fixture *f, const char *chroot, const char *text)
{
	FILE *file = fopen(f->file, "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
	drop_free(&f->table);
	str_cut(&f->error, 0);
	f->table.chroot = chroot;
	return drop_read(&f->table, f->file, &f->error);
}

static void test_reads_drops(void **state)
{
	struct fixture *f = *state;
	const struct drop *drop;

	assert_int_equal(read_text(f, "/var/mail", "drop inbox maildir /var/mail/frank/Maildir group 0 mode 0640\n"
	    "drop list maildir /var/mail/lists folder \"$1\"  # lists\n"), 0);
	drop = drop_find(&f->table, span_of("inbox"));
	assert_non_null(drop);
	assert_string_equal(drop->kind->name, "maildir");
	assert_string_equal(drop->path, "/var/mail/frank/Maildir");
	assert_string_equal(drop->inside, "/frank/Maildir");
	assert_int_equal(drop->mode, 0640);
	assert_true(drop->has_group);
	assert_ptr_equal(drop_find(&f->table, span_of("list/foo")), drop->next);
	assert_null(drop_find(&f->table, span_of("lis")));
	assert_null(drop_find(&f->table, span_of("")));
	assert_null(drop_find(&f->table, span_of("/inbox")));
}

static void test_errors_name_file_and_line(void **state)
{
	static const struct { const char *text, *says; } wrong[] = {
		{ "drop a maildir /var/mail/a\ndrop a maildir /var/mail/b\n", ":2: there is a drop a already" },
		{ "drop a maildir /home/a\n", ":1: drop a: /home/a: it lies outside the chroot; the chroot is /var/mail" },
		{ "drop a maildir /var/mail/../a\n", "outside the chroot" },
		{ "drop a maildir mail\n", ":1: drop a: mail: an absolute path was expected" },
		{ "drop a carrier-pigeon /var/mail/a\n", ":1: no kind of drop" },
		{ "\ndrop a maildir /var/mail/a colour red\n", ":2: a maildir drop has no option colour" },
		{ "drop a maildir /var/mail/a mode 0777\n", ":1: mode:" },
		{ "drop a maildir /var/mail/a mode\n", ":1: mode wants a value" },
		{ "drop a maildir /var/mail/a group no-such-group-here\n", ":1: there is no group" },
		{ "drop a maildir /var/mail/a folder ../x\n", ":1: folder:" },
		{ "drop a maildir /var/mail/a folder x/$1\n", ":1: folder:" },
		{ "drop a maildir /var/mail/a folder \"$2\"\n", ":1: folder:" },
		{ "drop a/b maildir /var/mail/a\n", ":1: a/b: a drop's name" },
		{ "drop a maildir /var/mail/a nested maybe\n", ":1: nested:" },
		{ "# nothing\n", "there is no drop" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		assert_int_equal(read_text(f, "/var/mail", wrong[i].text), -1);
		if (!strstr(f->error.data, wrong[i].says) || !strstr(f->error.data, f->file))
			fail_msg("%s: says %s, not %s", wrong[i].text, f->error.data, wrong[i].says);
	}
}

static enum outcome_verdict folder(struct fixture *f, const char *target, const char *expected)
{
	const struct drop *drop = drop_find(&f->table, span_of(target));
	struct str name = STR_INIT(256);
	struct outcome why = { .verdict = OUTCOME_DONE };

	assert_non_null(drop);
	if (!drop_folder(drop, span_of(target), &name, &why))
		assert_string_equal(name.data, expected);
	str_free(&name);
	return why.verdict;
}

static void test_folders(void **state)
{
	struct fixture *f = *state;
	char longer[300] = "list/";

	assert_int_equal(read_text(f, NULL, "drop inbox maildir /x\ndrop list maildir /x folder lists.$1\ndrop deep maildir /x folder \"$1\" nested yes\n"
	    "drop fixed maildir /x folder archive\n"), 0);
	assert_int_equal(folder(f, "inbox", ""), OUTCOME_DONE);
	assert_int_equal(folder(f, "list/foo", "lists.foo"), OUTCOME_DONE);
	assert_int_equal(folder(f, "deep/a.b", "a.b"), OUTCOME_DONE);
	assert_int_equal(folder(f, "fixed", "archive"), OUTCOME_DONE);
	/* a route that does not fit the drop: mended by the administrator, so later */
	assert_int_equal(folder(f, "inbox/foo", ""), OUTCOME_LATER);
	assert_int_equal(folder(f, "fixed/foo", ""), OUTCOME_LATER);
	assert_int_equal(folder(f, "list", ""), OUTCOME_LATER);
	memset(longer + 5, 'x', 250);
	assert_int_equal(folder(f, longer, ""), OUTCOME_NEVER);
}

static void test_arguments_cannot_leave(void **state)
{
	static const char *const wrong[] = {
		"list/", "list/..", "list/.", "list/.x", "list/-x", "list/a/b", "list//", "list/a/../b", "list/a.b", "list/a\nb", "list/a\x7f",
		"deep/a..b", "deep/a.", "deep/.a", "deep/a/b", "deep/..",
	};
	struct fixture *f = *state;

	assert_int_equal(read_text(f, NULL, "drop list maildir /x folder \"$1\"\ndrop deep maildir /x folder \"$1\" nested yes\n"), 0);
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		if (folder(f, wrong[i], "refused") != OUTCOME_NEVER)
			fail_msg("%s", wrong[i]);
}

static void test_without_configuration(void **state)
{
	struct fixture *f = *state;

	f->table.chroot = "/srv/mail";
	assert_non_null(drop_add(&f->table, "inbox", drop_kind_named("maildir"), "inbox", 0660, &f->error));
	assert_string_equal(f->table.first->path, "/srv/mail/inbox");
	assert_string_equal(f->table.first->inside, "/inbox");
	assert_null(drop_add(&f->table, "other", drop_kind_named("maildir"), "/srv/else", 0660, &f->error));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_reads_drops, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_errors_name_file_and_line, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_folders, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_arguments_cannot_leave, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_without_configuration, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
