/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The command lines of real callers, and every form an option may take. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sysexits.h>

#include <cmocka.h>

#include "../../inject/options.h"

#define WORDS_MAX 40

/* line is split at blanks; '' is an empty word */
static int parse(struct options *o, const char *line, char *copy, char **argv, struct str *error)
{
	int argc = 0;
	char *word, *rest;

	strcpy(copy, line);
	for (word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		argv[argc++] = strcmp(word, "''") == 0 ? word + 2 : word;
	argv[argc] = NULL;
	return options_parse(o, argc, argv, error);
}

struct expected {
	const char *line;
	bool from_header, ignore_dots;
	const char *sender, *full_name, *recipients;	/* recipients separated by blanks */
};

static void check(const struct expected *e)
{
	struct str error = STR_INIT(1024), recipients = STR_INIT(1024);
	struct options o;
	char copy[512], *argv[WORDS_MAX];
	size_t i;

	assert_int_equal(parse(&o, e->line, copy, argv, &error), 0);
	for (i = 0; i < o.count; i++) {
		if (i > 0)
			str_add_char(&recipients, ' ');
		str_add(&recipients, o.operands[i]);
	}
	if (strcmp(recipients.data, e->recipients ? e->recipients : "") != 0 || o.from_header != e->from_header ||
	    o.ignore_dots != e->ignore_dots)
		fail_msg("%s: recipients \"%s\", -t %d, -i %d", e->line, recipients.data, o.from_header, o.ignore_dots);
	if (e->sender)
		assert_string_equal(o.sender, e->sender);
	else
		assert_null(o.sender);
	if (e->full_name)
		assert_string_equal(o.full_name, e->full_name);
	else
		assert_null(o.full_name);
	assert_int_equal(o.mode, OPTIONS_SEND);
	options_free(&o);
	str_free(&error);
	str_free(&recipients);
}

static const struct expected callers[] = {
	{ "/usr/sbin/sendmail -FCronDaemon -odi -oem -oi -t", true, true, NULL, "CronDaemon", NULL },	/* vixie-cron */
	{ "/usr/sbin/sendmail -FCronDaemon -i -odi -oem -oi -t -f root", true, true, "root", "CronDaemon", NULL },	/* cronie */
	{ "/usr/sbin/sendmail -FCronDaemon -i -odi -oem -oi -t -f <>", true, true, "<>", "CronDaemon", NULL },	/* cronie 1.7.0 */
	{ "/usr/sbin/sendmail -FCronDaemon -i -B8BITMIME -oem root", false, true, NULL, "CronDaemon", "root" },	/* Debian cron */
	{ "/usr/sbin/sendmail -FCronDaemon -i root", false, true, NULL, "CronDaemon", "root" },	/* bcron */
	{ "sendmail -ti", true, true, NULL, NULL, NULL },				/* busybox */
	{ "/usr/sbin/sendmail -Ffcron alice@host", false, false, NULL, "fcron", "alice@host" },
	{ "/usr/sbin/sendmail -FAnacron -odi root", false, false, NULL, "Anacron", "root" },
	{ "sendmail -i -B8BITMIME root", false, true, NULL, NULL, "root" },		/* systemd-cron */
	{ "sendmail -i -B 8BITMIME root", false, true, NULL, NULL, "root" },
	{ "sendmail -i alice", false, true, NULL, NULL, "alice" },			/* at */
	{ "/usr/sbin/sendmail -t", true, false, NULL, NULL, NULL },			/* mdadm, logwatch */
	{ "sendmail -t -froot@host", true, false, "root@host", NULL, NULL },		/* mdadm with a sender */
	{ "/usr/sbin/sendmail -oi -t", true, true, NULL, NULL, NULL },			/* unattended-upgrades, apt-listchanges */
	{ "/usr/sbin/sendmail root", false, false, NULL, NULL, "root" },		/* rkhunter */
	{ "sendmail -oi -f root survey@popcon.example", false, true, "root", NULL, "survey@popcon.example" },
	{ "/usr/sbin/sendmail -f fail2ban@host root", false, false, "fail2ban@host", NULL, "root" },
	{ "sendmail -t", true, false, NULL, NULL, NULL },				/* sudo */
	{ "/usr/sbin/sendmail -f dev@example.org -i list@example.org a@example.org", false, true, "dev@example.org", NULL,
	    "list@example.org a@example.org" },						/* git send-email */
	{ "sendmail -oem -oi -B8BITMIME -f me@example.org -N failure,delay -R hdrs -- to@example.org cc@example.org bcc@example.org",
	    false, true, "me@example.org", NULL, "to@example.org cc@example.org bcc@example.org" },	/* mutt */
	{ "sendmail -i -f from@x.org -- a@x.org", false, true, "from@x.org", NULL, "a@x.org" },	/* s-nail, Ruby mail */
	{ "sendmail -i -t", true, true, NULL, NULL, NULL },				/* bsd-mailx */
	{ "sendmail -i -t -f me@x", true, true, "me@x", NULL, NULL },
	{ "/usr/sbin/sendmail -t -i -fme@example.org", true, true, "me@example.org", NULL, NULL },	/* PHP mail() */
	{ "/usr/sbin/sendmail -oi -fme@example.org -t", true, true, "me@example.org", NULL, NULL },	/* PHPMailer */
	{ "sendmail -i -f me@example.org a@example.org b@example.org", false, true, "me@example.org", NULL,
	    "a@example.org b@example.org" },						/* nodemailer */
	{ "sendmail -f me@example.org a@example.org b@example.org", false, false, "me@example.org", NULL,
	    "a@example.org b@example.org" },						/* Email::Sender */
	{ "sendmail -oi root", false, true, NULL, NULL, "root" },			/* mime-construct */
	{ "/usr/sbin/sendmail -i -f <> -- a@example.org", false, true, "<>", NULL, "a@example.org" },	/* Dovecot */
	{ "/usr/sbin/sendmail -oi -f me@example.org -oem -odb -t -N failure", true, true, "me@example.org", NULL, NULL },	/* Emacs */
	{ "sendmail -i -f host!user -- a@example.org", false, true, "host!user", NULL, "a@example.org" },	/* rmail */
	{ "sendmail -oi -f user@host -t", true, true, "user@host", NULL, NULL },	/* mailutils */
	{ "sendmail -oem -oi -fjoe root", false, true, "joe", NULL, "root" },		/* BSD mailx */
	{ "sendmail -Nsuccess,delay,failure -f s a@b", false, false, "s", NULL, "a@b" },	/* sqwebmail */
	{ "sendmail -odb -t", true, false, NULL, NULL, NULL },				/* vi recovery */
	{ "sendmail -U -t", true, false, NULL, NULL, NULL },				/* mpack */
};

static const struct expected forms[] = {
	{ "sendmail a -f b c -t", true, false, "b", NULL, "a c" },			/* behind recipients */
	{ "sendmail a -- -f b", false, false, NULL, NULL, "a -f b" },
	{ "sendmail -r '' a", false, false, "", NULL, "a" },
	{ "sendmail -itfjoe a", true, true, "joe", NULL, "a" },
	{ "sendmail -itf joe a", true, true, "joe", NULL, "a" },
	{ "sendmail -o i a", false, true, NULL, NULL, "a" },
	{ "sendmail -A x -Ac -C /etc/x -C/etc/x -L tag -h 3 -h3 -p smtp -X log -O a=b -Oa=b -V id -e m -em a", false, false, NULL, NULL, "a" },
	{ "sendmail -G -m -n -U -x -d -d0.1 -v a", false, false, NULL, NULL, "a" },
	{ "sendmail -oA/path -oQ/q -or1h -om a", false, false, NULL, NULL, "a" },
	{ "sendmail -Zanything -K -7 a", false, false, NULL, NULL, "a" },		/* unknown letters */
	{ "sendmail -bm a -A", false, false, NULL, NULL, "a" },			/* a value that is missing */
	{ "sendmail -", false, false, NULL, NULL, "-" },
	{ "deaddrop-inject --out /q --wait=5s --subtract -t a", true, false, NULL, NULL, "a" },
};

static void test_callers(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof callers / sizeof callers[0]; i++)
		check(&callers[i]);
}

static void test_forms(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof forms / sizeof forms[0]; i++)
		check(&forms[i]);
}

static void test_modes(void **state)
{
	static const struct {
		const char *line;
		int code;
		enum options_mode mode;
		const char *hint;
	} cases[] = {
		{ "mailq", 0, OPTIONS_LIST, NULL }, { "/usr/bin/mailq --json", 0, OPTIONS_LIST, NULL }, { "sendmail -bp", 0, OPTIONS_LIST, NULL },
		{ "mailq -Ac -v", 0, OPTIONS_LIST, NULL }, { "newaliases", 0, OPTIONS_ALIASES, NULL }, { "sendmail -bi", 0, OPTIONS_ALIASES, NULL },
		{ "sendmail -I", 0, OPTIONS_ALIASES, NULL }, { "sendmail -bs", 0, OPTIONS_SMTP, NULL },
		{ "sendmail -bs -odb -oem", 0, OPTIONS_SMTP, NULL }, { "sendmail -bv root", 0, OPTIONS_VERIFY, NULL },
		{ "sendmail -q", 0, OPTIONS_FLUSH, NULL }, { "sendmail -qf", 0, OPTIONS_FLUSH, NULL },
		{ "sendmail --help", 0, OPTIONS_HELP, NULL }, { "sendmail --version", 0, OPTIONS_VERSION, NULL },
		{ "sendmail -bd -q30m", EX_USAGE, 0, "deaddrop-queue" }, { "sendmail -bD", EX_USAGE, 0, "deaddrop-smtpd" },
		{ "sendmail -bt", EX_USAGE, 0, "--explain" }, { "sendmail -q30m", EX_USAGE, 0, "deaddrop-send" },
		{ "sendmail -bz", EX_USAGE, 0, "-bz" }, { "sendmail --nonsense", EX_USAGE, 0, "--nonsense" },
		{ "sendmail --out", EX_USAGE, 0, "needs a value" }, { "sendmail -t -f", EX_USAGE, 0, "needs a value" },
		{ "sendmail --dot=1", EX_USAGE, 0, "no value" }, { "sendmail --envelope-fd 0", EX_USAGE, 0, "--envelope-fd" },
		{ "sendmail --envelope-fd x", EX_USAGE, 0, "--envelope-fd" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct str error = STR_INIT(1024);
		struct options o;
		char copy[512], *argv[WORDS_MAX];
		int code = parse(&o, cases[i].line, copy, argv, &error);

		if (code != cases[i].code || (code == 0 && o.mode != cases[i].mode) ||
		    (cases[i].hint && !strstr(error.data, cases[i].hint)))
			fail_msg("%s: code %d mode %d \"%s\"", cases[i].line, code, o.mode, error.data);
		options_free(&o);
		str_free(&error);
	}
}

static void test_values(void **state)
{
	struct str error = STR_INIT(1024), help = STR_INIT(65536);
	struct options o;
	char copy[512], *argv[WORDS_MAX];

	(void)state;
	assert_int_equal(parse(&o, "sendmail -N never -R hdrs -V id1 -B 7BIT --envelope-fd 3 --config=/c --admin /a --dot -v", copy, argv, &error), 0);
	assert_string_equal(o.notify, "never");
	assert_string_equal(o.ret, "hdrs");
	assert_string_equal(o.envid, "id1");
	assert_string_equal(o.body, "7BIT");
	assert_int_equal(o.envelope_fd, 3);
	assert_string_equal(o.config, "/c");
	assert_string_equal(o.admin, "/a");
	assert_true(o.dot && o.verbose);
	options_free(&o);
	assert_int_equal(parse(&o, "sendmail -qIabc", copy, argv, &error), 0);
	assert_string_equal(o.flush_id, "abc");
	options_free(&o);
	assert_int_equal(parse(&o, "mailq --json x", copy, argv, &error), 0);
	assert_int_equal(o.count, 2);
	options_free(&o);
	assert_true(options_help(&help, "sendmail") >= 0);
	assert_non_null(strstr(help.data, "--envelope-fd N"));
	str_free(&help);
	str_free(&error);
}

static void test_no_arguments(void **state)
{
	struct str error = STR_INIT(1024);
	struct options o;
	char *argv[] = { NULL };

	(void)state;
	assert_int_equal(options_parse(&o, 0, argv, &error), 0);
	assert_string_equal(o.program, "sendmail");
	options_free(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_callers), cmocka_unit_test(test_forms), cmocka_unit_test(test_modes), cmocka_unit_test(test_values),
		cmocka_unit_test(test_no_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
