/* SPDX-License-Identifier: GPL-3.0-or-later */
/* deaddrop-mailq: shows what is in the spool, and has send act on it. */
#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "clock.h"
#include "mailq_act.h"
#include "conf.h"
#include "version.h"

#define ADMIN_DEFAULT "/var/spool/deaddrop/public/admin.ctrl"
#define LIMIT_EXCEEDED 1
#define SPOOL_DEFAULT "/var/spool/deaddrop/queue"

struct options {
	const char *admin, *spool;	/* NULL: not given */
	struct mailq_choice choice;
	uint64_t max_age, max_count;	/* UINT64_MAX: not given */
	bool json;
};

static const char help[] =
	"usage: deaddrop-mailq [--admin SOCKET] [--spool DIR] [--json] [--max-age TIME] [--max-count N]\n"
	"       deaddrop-mailq hold|release|retry|remove|bounce|show [--sender A] [--recipient A] [--drop D] [--all] [--yes] [ID...]\n"
	"       deaddrop-mailq reroute DROP [--sender A] [--recipient A] [--drop D] [--all] [--yes] [ID...]\n"
	"\n"
	"Shows what is in the spool: messages, their recipients, and what they wait for; or has deaddrop-send act on them.\n"
	"\n"
	"  --admin SOCKET  where deaddrop-send answers (default: " ADMIN_DEFAULT ")\n"
	"  --spool DIR     the spool to read when it does not, or if --admin is not given\n"
	"                  (default: " SPOOL_DEFAULT ", if we may read it)\n"
	"  --json          one JSON array of messages\n"
	"  --max-age TIME, --max-count N\n"
	"                  exit 1 where a message is older, or there are more (default: no limit)\n"
	"  --sender A, --recipient A, --drop D, --all\n"
	"                  act on the messages with this sender, recipient, drop; on all (default: none but the ids')\n"
	"  --yes           do not ask before acting on several\n"
	"  --help, --version\n"
	"\n"
	"Examples:\n"
	"  deaddrop-mailq\n"
	"  deaddrop-mailq remove --sender cron@example.org\n"
	"  deaddrop-mailq --json | jq -r '.[] | select(.age > 3600) | .id'\n";

static int take_verb(int count, char **words, struct mailq_choice *choice)
{
	choice->verb = words[0];
	if (!strcmp(choice->verb, "reroute")) {
		if (count < 2) {
			fputs("deaddrop-mailq: reroute: expected a drop such as local:inbox\n", stderr);
			return EX_USAGE;
		}
		choice->drop = words[1];
		count--;
		words++;
	}
	choice->ids = words + 1;
	choice->id_count = (size_t)count - 1;
	return -1;
}

/* -1: go on; otherwise the exit status. */
static int parse(int argc, char **argv, struct options *options)
{
	static const struct option longs[] = {
		{ "admin", required_argument, NULL, 'a' }, { "spool", required_argument, NULL, 's' }, { "json", no_argument, NULL, 'j' },
		{ "max-age", required_argument, NULL, 'A' }, { "max-count", required_argument, NULL, 'C' },
		{ "sender", required_argument, NULL, 'S' }, { "recipient", required_argument, NULL, 'R' }, { "drop", required_argument, NULL, 'D' },
		{ "all", no_argument, NULL, 'a' + 128 }, { "yes", no_argument, NULL, 'y' },
		{ "help", no_argument, NULL, 'h' }, { "version", no_argument, NULL, 'v' }, { NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 'a')
			options->admin = optarg;
		else if (c == 's')
			options->spool = optarg;
		else if (c == 'j')
			options->json = true;
		else if (c == 'A' && !conf_duration_text(optarg, &options->max_age))
			continue;
		else if (c == 'C' && !span_decimal(span_of(optarg), UINT64_MAX - 1, &options->max_count))
			continue;
		else if (c == 'S')
			options->choice.sender = optarg;
		else if (c == 'R')
			options->choice.recipient = optarg;
		else if (c == 'D')
			options->choice.choose_drop = optarg;
		else if (c == 'a' + 128)
			options->choice.all = true;
		else if (c == 'y')
			options->choice.yes = true;
		else if (c == 'h')
			return fputs(help, stdout) < 0 ? EX_IOERR : EX_OK;
		else if (c == 'v')
			return puts("deaddrop-mailq " DEADDROP_VERSION) < 0 ? EX_IOERR : EX_OK;
		else if (c == '?')
			return EX_USAGE;
		else
			return fprintf(stderr, "deaddrop-mailq: %s: expected a number or a time such as 2h\n", optarg), EX_USAGE;
	}
	if (optind == argc)
		return -1;
	if (mailq_act_is_verb(argv[optind]))
		return take_verb(argc - optind, argv + optind, &options->choice);
	fprintf(stderr, "deaddrop-mailq: %s: expected hold, release, retry, remove, bounce, reroute or show; see --help\n", argv[optind]);
	return EX_USAGE;
}

static void complain(const struct str *error, const char *more)
{
	struct str safe = STR_INIT(65536);

	mailq_put_safe(&safe, str_span(error));
	fprintf(stderr, "deaddrop-mailq: %s%s\n", safe.data, more);
	str_free(&safe);
}

/* 0: all was shown. */
static int show(const struct options *options, struct mailq_out *out)
{
	const char *admin = options->admin ? options->admin : options->spool ? NULL : ADMIN_DEFAULT;
	const char *spool = options->spool ? options->spool : SPOOL_DEFAULT;
	bool may_read = options->spool || !access(spool, R_OK | X_OK);
	struct str error = STR_INIT(65536);
	int result = -1;

	if (admin)
		result = mailq_ask(admin, out, &error);
	if (result < 0 && (out->begun || !may_read))
		complain(&error, out->begun ? "; the list is not complete" :
		    "\ndeaddrop-mailq: start deaddrop-send and ask again; or, as root, read the spool itself with --spool DIR");
	if (result < 0 && !out->begun && may_read) {
		if (error.len)
			complain(&error, "; is deaddrop-send running?");
		str_cut(&error, 0);
		fprintf(stderr, "deaddrop-mailq: reading the spool %s itself\n", spool);
		result = mailq_read(spool, out, &error);
		if (result < 0)
			complain(&error, "");
	}
	str_free(&error);
	return result;
}

static int act(const struct options *options)
{
	struct str error = STR_INIT(65536);
	int status = mailq_act(options->admin ? options->admin : ADMIN_DEFAULT, &options->choice, &error);

	if (error.len)
		complain(&error, "");
	str_free(&error);
	return status;
}

int main(int argc, char **argv)
{
	struct options options = { .max_age = UINT64_MAX, .max_count = UINT64_MAX };
	struct mailq_out out = { .printer = &mailq_text_printer, .file = stdout, .now = clock_wall() };
	int status = parse(argc, argv, &options);

	if (status >= 0)
		return status;
	if (options.json)
		out.printer = &mailq_json_printer;
	status = options.choice.verb ? act(&options) : show(&options, &out) < 0 ? EX_TEMPFAIL : EX_OK;
	if (!status && (out.messages > options.max_count || (out.messages && options.max_age != UINT64_MAX && out.now > out.oldest &&
	    out.now - out.oldest > options.max_age)))
		status = LIMIT_EXCEEDED;
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "deaddrop-mailq: standard output: %s\n", strerror(errno));
		status = EX_IOERR;
	}
	return status;
}
