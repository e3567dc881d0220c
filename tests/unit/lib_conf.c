/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "conf.h"

static void
dump_nodes(struct str *out, const struct conf_node *node)
{
	for (; node != NULL; node = node->next) {
		str_printf(out, "%u", node->line);
		for (size_t i = 0; i < node->count; i++) {
			const struct conf_word *w = &node->words[i];
			str_printf(out, w->kind == CONF_PLAIN ? "[%s]" : w->kind == CONF_REGEX ? "<%s>" : "<%s>i", w->text);
			assert_int_equal(w->len, strlen(w->text));
		}
		if (node->group) {
			str_add(out, "{");
			dump_nodes(out, node->children);
			str_add(out, "}");
		}
		str_add(out, " ");
	}
}

/* Parses and writes the tree on a line: words in [], regular expressions in <>, groups in {}, each directive behind its line. */
static void
check_tree(const char *text, const char *tree)
{
	struct str error = STR_INIT(1024), out = STR_INIT(65536);
	struct conf *conf = conf_parse("t.conf", span_of(text), &error);
	if (conf == NULL)
		print_error("%s: %s\n", text, error.data);
	assert_non_null(conf);
	dump_nodes(&out, conf->first);
	assert_string_equal(out.data, tree);
	conf_free(conf);
	str_free(&error);
	str_free(&out);
}

static void
check_error(const char *text, const char *expected)
{
	struct str error = STR_INIT(1024);
	assert_null(conf_parse("t.conf", span_of(text), &error));
	assert_string_equal(error.data, expected);
	str_free(&error);
}

static void
words_and_quotes(void **state)
{
	(void)state;
	check_tree("", "");
	check_tree("\n \n# only a comment", "");
	check_tree("a  b\tc", "1[a][b][c] ");
	check_tree("\xef\xbb\xbf" "a b\r\nc\r\n", "1[a][b] 2[c] ");
	check_tree("a 'b c' \"d  e\" f\\ g", "1[a][b c][d  e][f g] ");
	check_tree("a \"\" ''", "1[a][][] ");
	check_tree("a \"x\\\"y\\\\z\\n\" '\\'", "1[a][x\"y\\z\\n][\\] ");
	check_tree("a b'c'\"d\"e", "1[a][bcde] ");
	check_tree("a b#c # d", "1[a][b#c] ");
	check_tree("a \\# \\{ \"}\" \\;", "1[a][#][{][}][;] ");
	check_tree("a; b;;c", "1[a] 1[b] 1[c] ");
	check_tree("a \\\n b\nc", "1[a][b] 3[c] ");
	check_tree("a \\\r\n b\\\nc d", "1[a][bc][d] ");
	check_tree("a \"b\\\nc\" d", "1[a][bc][d] ");
	check_tree("a b\\", "1[a][b] ");
	check_tree("a # b \\\nc", "1[a] 2[c] ");
	check_tree("a ${1} list/$1 x{y}", "1[a][${1}][list/$1][x{y}] ");
	check_tree("caf\xc3\xa9 \xff", "1[caf\xc3\xa9][\xff] ");
}

static void
groups(void **state)
{
	(void)state;
	check_tree("a b { c d; e }", "1[a][b]{1[c][d] 1[e] } ");
	check_tree("a {\n b c\n d { e }\n}\nf", "1[a]{2[b][c] 3[d]{3[e] } } 5[f] ");
	check_tree("a { }; b { ; }", "1[a]{} 1[b]{} ");
	check_tree("a { b } # c\nd", "1[a]{1[b] } 2[d] ");
	check_tree("a { b { c } }", "1[a]{1[b]{1[c] } } ");
	check_tree("a \\\n{\nb }", "1[a]{3[b] } ");
	check_error("\na { b\nc\n", "t.conf:2: expected a } (a word of its own) for the { on this line");
	check_error("a\n}", "t.conf:2: expected a { before this } (or quote it)");
	check_error("{ a }", "t.conf:1: expected a directive before {");
	check_error("a { b } c", "t.conf:1: expected the end of the line or ; after }");
	check_error("a { b } { c }", "t.conf:1: expected the end of the line or ; after }");
	check_error("a { a { a { a { a { a { a { a { a { } } } } } } } } }", "t.conf:1: expected at most 8 groups within each other");
}

static void
regular_expressions(void **state)
{
	(void)state;
	check_tree("a /b/ /c/i", "1[a]<b><c>i ");
	check_tree("a /b c/i d", "1[a]<b c>i[d] ");
	check_tree("a /b\\/c\\.d\\\\/ e", "1[a]<b/c\\.d\\\\>[e] ");
	check_tree("a /#;{ '\"/;b", "1[a]<#;{ '\"> 1[b] ");
	check_tree("a /b/\r\nc /d/i\\\n e", "1[a]<b> 2[c]<d>i[e] ");
	check_tree("a { b /c/ }", "1[a]{1[b]<c> } ");
	check_tree("a '/b/' \"/c/\" \\/d/", "1[a][/b/][/c/][/d/] ");
	check_tree("a / // //i /b", "1[a][/][//][//i][/b] ");
	check_tree("a /b\nc/ d", "1[a][/b] 2[c/][d] ");
	check_tree("a /b/ix /c/d/", "1[a][/b/ix][/c/d/] ");
}

/* Absolute paths begin with a slash too. */
static void
paths(void **state)
{
	(void)state;
	check_tree("aliases /etc/aliases", "1[aliases][/etc/aliases] ");
	check_tree("aliases /etc/aliases /etc/aliases.local/ x/ /i", "1[aliases][/etc/aliases][/etc/aliases.local/][x/][/i] ");
	check_tree("d /var/mail/ /run/x/i;e", "1[d][/var/mail/][/run/x/i] 1[e] ");
	check_tree("d /mail /etc/mail/", "1[d][/mail][/etc/mail/] ");
	check_tree("d { lmtp /run/dovecot/lmtp }", "1[d]{1[lmtp][/run/dovecot/lmtp] } ");
	check_tree("d /var/'my mail'/x", "1[d][/var/my mail/x] ");

	struct str error = STR_INIT(1024);
	struct conf *conf = conf_parse("t", span_of("d /tmp/ /run/i /a b/ /etc/x /c/d/ '/e/f' g /h\\.i"), &error);
	assert_non_null(conf);
	const struct conf_word *w = conf->first->words;
	assert_int_equal(w[1].kind, CONF_REGEX);
	assert_string_equal(conf_path(&w[1]), "/tmp/");
	assert_int_equal(w[2].kind, CONF_REGEX_NOCASE);
	assert_string_equal(conf_path(&w[2]), "/run/i");
	assert_null(conf_path(&w[3]));
	assert_string_equal(conf_path(&w[4]), "/etc/x");
	assert_true(conf_is_pattern(&w[1]) && conf_is_pattern(&w[3]));
	assert_false(conf_is_pattern(&w[4]));
	assert_false(conf_is_pattern(&w[5]));
	assert_true(conf_is_pattern(&w[6]) && conf_is_pattern(&w[7]));
	assert_false(conf_is_pattern(&w[8]));
	conf_free(conf);
	str_free(&error);
}

/* What the manual pages show must mean what it seems to. */
static void
samples(void **state)
{
	(void)state;
	check_tree("name    mail.example.org\n"
	    "group   google   host /\\.google\\.com$/   net 192.0.2.0/24\n"
	    "accept  rcpt /^archive@example\\.org$/ from google\n"
	    "reject  rcpt /^old@/  550 \"This address is closed.\"\n"
	    "limit   size 25M   recipients 100\n"
	    "tls     certificate /etc/ssl/mail.pem key /etc/ssl/mail.key\n",
	    "1[name][mail.example.org] 2[group][google][host]<\\.google\\.com$>[net][192.0.2.0/24] "
	    "3[accept][rcpt]<^archive@example\\.org$>[from][google] 4[reject][rcpt]<^old@>[550][This address is closed.] "
	    "5[limit][size][25M][recipients][100] 6[tls][certificate][/etc/ssl/mail.pem][key][/etc/ssl/mail.key] ");
	check_tree("aliases  /etc/aliases\n"
	    "filter   subject /^\\[cron\\] */ \"\"\n"
	    "filter   from    /^root@localhost$/ \"frank+server@example.org\"   except imap:phone\n"
	    "route    rcpt /^root@/        to local:inbox imap:phone\n"
	    "route    rcpt /^list-(.*)@/   to local:list/$1\n"
	    "route    header subject /backup failed/i to imap:phone and\n"
	    "route    all                  to local:inbox        # `discard` is a drop too\n"
	    "retry    1m 2m 5m 15m 1h 4h   until 5d\n",
	    "1[aliases][/etc/aliases] 2[filter][subject]<^\\[cron\\] *>[] "
	    "3[filter][from]<^root@localhost$>[frank+server@example.org][except][imap:phone] "
	    "4[route][rcpt]<^root@>[to][local:inbox][imap:phone] 5[route][rcpt]<^list-(.*)@>[to][local:list/$1] "
	    "6[route][header][subject]<backup failed>i[to][imap:phone][and] 7[route][all][to][local:inbox] "
	    "8[retry][1m][2m][5m][15m][1h][4h][until][5d] ");
	check_tree("drop inbox    maildir /var/mail/frank/Maildir  group frank  mode 0660\n"
	    "drop list     maildir /var/mail/lists  folder \"$1\"\n"
	    "drop archive  mh /var/mail/frank/mh  folder inbox\n"
	    "drop log      mbox /var/mail/archive.mbox\n"
	    "drop news     pipe \"/usr/local/bin/to-news -x\"  user news  timeout 60\n"
	    "drop user     maildir \"~/Maildir\"  as recipient            # needs root\n"
	    "drop phone { host imap.example.net; user frank; password-file frank.pw; mailbox \"INBOX/Server\"; create yes; flags \"\\Flagged\" }\n"
	    "drop smarthost { relay smtp.example.net port 587; tls starttls; user frank; password-file relay.pw }\n"
	    "drop dovecot   { lmtp /run/dovecot/lmtp }\n",
	    "1[drop][inbox][maildir][/var/mail/frank/Maildir][group][frank][mode][0660] "
	    "2[drop][list][maildir][/var/mail/lists][folder][$1] 3[drop][archive][mh][/var/mail/frank/mh][folder][inbox] "
	    "4[drop][log][mbox][/var/mail/archive.mbox] 5[drop][news][pipe][/usr/local/bin/to-news -x][user][news][timeout][60] "
	    "6[drop][user][maildir][~/Maildir][as][recipient] "
	    "7[drop][phone]{7[host][imap.example.net] 7[user][frank] 7[password-file][frank.pw] 7[mailbox][INBOX/Server] 7[create][yes] "
	    "7[flags][\\Flagged] } 8[drop][smarthost]{8[relay][smtp.example.net][port][587] 8[tls][starttls] 8[user][frank] "
	    "8[password-file][relay.pw] } 9[drop][dovecot]{9[lmtp][/run/dovecot/lmtp] } ");
}

static void
errors(void **state)
{
	(void)state;
	struct str error = STR_INIT(1024);
	check_error("a\nb \"c\nd\"", "t.conf:2: expected a closing \" on the same line");
	check_error("a 'b", "t.conf:1: expected a closing ' on the same line");
	assert_null(conf_parse("t.conf", (struct span){ "a\nb\0c", 5 }, &error));
	assert_string_equal(error.data, "t.conf:2: expected text, found a NUL byte");

	struct str many = STR_INIT(CONF_FILE_MAX * 2);
	for (int i = 0; i <= CONF_WORDS_MAX; i++)
		str_add(&many, "a ");
	assert_null(conf_parse("t.conf", str_span(&many), &error));
	assert_string_equal(error.data, "t.conf:1: expected at most 4096 words in a directive");
	while (many.len <= CONF_FILE_MAX)
		str_add(&many, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n");
	assert_null(conf_parse("t.conf", str_span(&many), &error));
	assert_string_equal(error.data, "t.conf:1: expected a file of at most 1048576 bytes");
	str_free(&many);

	struct str small = STR_INIT(12);	/* an error is cut to what its string may hold */
	assert_null(conf_parse("t.conf", span_of("}"), &small));
	assert_string_equal(small.data, "t.conf:1: ex");
	str_free(&small);
	str_free(&error);
}

static void
files(void **state)
{
	(void)state;
	struct str error = STR_INIT(1024);
	char name[] = "/tmp/deaddrop-conf-XXXXXX";
	int fd = mkstemp(name);
	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, "a b\nc", 5), 5);
	close(fd);
	struct conf *conf = conf_load(name, &error);
	assert_non_null(conf);
	assert_string_equal(conf->file, name);
	assert_string_equal(conf->first->next->words[0].text, "c");
	conf_free(conf);
	unlink(name);
	assert_null(conf_load(name, &error));
	assert_int_equal(errno, ENOENT);
	assert_non_null(strstr(error.data, ": No such file or directory"));
	assert_null(conf_load("/tmp", &error));
	assert_int_equal(errno, EISDIR);
	conf_free(NULL);
	str_free(&error);
}

static int
handle(void *arg, const struct conf_node *node, struct str *error)
{
	*(unsigned *)arg += 1;
	return strcmp(node->words[1].text, "bad") == 0 ? conf_error(node, error, "expected good, not \"%s\"", node->words[1].text) : 0;
}

static void
walk(const char *text, unsigned handled, const char *expected)
{
	static const struct conf_verb verbs[] = {
		{ "one", 1, 1, false, handle }, { "some", 1, 3, true, handle }, { "many", 1, CONF_MANY, false, handle }, { NULL, 0, 0, false, NULL },
	};
	struct str error = STR_INIT(1024);
	struct conf *conf = conf_parse("w", span_of(text), &error);
	unsigned count = 0;
	assert_non_null(conf);
	assert_int_equal(conf_walk(conf->first, verbs, &count, &error), expected == NULL ? 0 : -1);
	assert_int_equal(count, handled);
	assert_string_equal(error.data, expected == NULL ? "" : expected);
	conf_free(conf);
	str_free(&error);
}

static void
verbs(void **state)
{
	(void)state;
	walk("one a\nsome b c { x }\nmany 1 2 3 4 5", 3, NULL);
	walk("one a\ntwo b", 1, "w:2: expected one of one, some, many, not \"two\"");
	walk("/one/ a", 0, "w:1: expected one of one, some, many, not \"/one/\"");
	walk("one", 0, "w:1: expected 1 word after \"one\", not 0");
	walk("\none a b", 0, "w:2: expected 1 word after \"one\", not 2");
	walk("some", 0, "w:1: expected at least 1 word after \"some\", not 0");
	walk("some 1 2 3 4", 0, "w:1: expected at most 3 words after \"some\", not 4");
	walk("one a { b }", 0, "w:1: expected no { } group after \"one\"");
	walk("one a\none bad\none c", 2, "w:2: expected good, not \"bad\"");
}

static struct conf_word
word(const char *text)
{
	return (struct conf_word){ .text = (char *)(uintptr_t)text, .len = strlen(text) };
}

static void
values(void **state)
{
	(void)state;
	uint64_t n = 7;
	mode_t mode = 0;
	bool yes = false;
	struct conf_word w;
	assert_true(conf_bytes_text("25M", &n) == 0 && n == 25U << 20);
	assert_true(conf_bytes_text("4k", &n) == 0 && n == 4096);
	assert_true(conf_bytes_text("18446744073709551615", &n) == 0 && n == UINT64_MAX);
	assert_true(conf_bytes_text("16777216T", &n) != 0 && conf_bytes_text("", &n) != 0 && conf_bytes_text("K", &n) != 0);
	assert_true(conf_bytes_text("-1", &n) != 0 && conf_bytes_text("1KK", &n) != 0 && conf_bytes_text("1 K", &n) != 0);
	assert_true(conf_duration_text("90", &n) == 0 && n == 90 * CLOCK_SECOND);
	assert_true(conf_duration_text("15m", &n) == 0 && n == 900 * CLOCK_SECOND);
	assert_true(conf_duration_text("2w", &n) == 0 && n == 14 * 86400 * CLOCK_SECOND);
	assert_true(conf_duration_text("0s", &n) == 0 && n == 0);
	assert_true(conf_duration_text("5y", &n) != 0 && conf_duration_text("18446744073709551615d", &n) != 0);
	w = word("0660");
	assert_true(conf_mode(&w, &mode) == 0 && mode == 0660);
	assert_true(conf_mode_text("02770", &mode) == 0 && mode == 02770);
	assert_true(conf_mode_text("12770", &mode) != 0 && conf_mode_text("8", &mode) != 0 && conf_mode_text("", &mode) != 0);
	w = word("yes");
	assert_true(conf_bool(&w, &yes) == 0 && yes);
	w = word("no");
	assert_true(conf_bool(&w, &yes) == 0 && !yes);
	w = word("maybe");
	assert_true(conf_bool(&w, &yes) != 0);
	w = word("100");
	assert_true(conf_number(&w, 100, &n) == 0 && n == 100);
	assert_true(conf_number(&w, 99, &n) != 0);
	w.kind = CONF_REGEX;
	assert_true(conf_number(&w, 100, &n) != 0 && conf_bytes(&w, &n) != 0 && conf_duration(&w, &n) != 0 && conf_mode(&w, &mode) != 0);
}

/* Whatever the bytes are: a tree or an error of one line, and nothing leaks or is read past the end (run under the sanitizers). */
static void
any_bytes(void **state)
{
	static const char alphabet[] = "ab/i{};#\\\"' \t\r\n";
	(void)state;
	unsigned seed = 1;
	struct str error = STR_INIT(1024);
	for (int round = 0; round < 20000; round++) {
		char *text = malloc(40);
		size_t len = (size_t)round % 40;
		for (size_t i = 0; i < len; i++) {
			seed = seed * 1103515245 + 12345;
			text[i] = alphabet[(seed >> 16) % (sizeof alphabet - 1)];
		}
		text = realloc(text, len > 0 ? len : 1);
		struct conf *conf = conf_parse("f", (struct span){ text, len }, &error);
		if (conf == NULL)
			assert_true(strncmp(error.data, "f:", 2) == 0 && strchr(error.data, '\n') == NULL);
		conf_free(conf);
		free(text);
	}
	str_free(&error);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_and_quotes), cmocka_unit_test(groups), cmocka_unit_test(regular_expressions), cmocka_unit_test(paths),
		cmocka_unit_test(samples), cmocka_unit_test(errors), cmocka_unit_test(files), cmocka_unit_test(verbs), cmocka_unit_test(values),
		cmocka_unit_test(any_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
