/* SPDX-License-Identifier: GPL-3.0-or-later */
/* deaddrop-mailq: shows what is in the spool. */
#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "clock.h"
#include "mailq.h"
#include "version.h"

#define ADMIN_DEFAULT "/var/spool/deaddrop/public/admin.ctrl"
#define SPOOL_DEFAULT "/var/spool/deaddrop/queue"

struct options {
	const char *admin, *spool;	/* NULL: not given */
	bool json;
};

static const char help[] =
	"usage: deaddrop-mailq [--admin SOCKET] [--spool DIR] [--json]\n"
	"\n"
	"Shows what is in the spool: messages, their recipients, and what they wait for.\n"
	"\n"
	"  --admin SOCKET  where deaddrop-send answers (default: " ADMIN_DEFAULT ")\n"
	"  --spool DIR     the spool to read when it does not, or if --admin is not given\n"
	"                  (default: " SPOOL_DEFAULT ", if we may read it)\n"
	"  --json          one JSON array of messages\n"
	"  --help, --version\n"
	"\n"
	"Examples:\n"
	"  deaddrop-mailq\n"
	"  deaddrop-mailq --json | jq -r '.[] | select(.age > 3600) | .id'\n";

/* -1: go on; otherwise the exit status. */
static int parse(int argc, char **argv, struct options *options)
{
	static const struct option longs[] = {
		{ "admin", required_argument, NULL, 'a' }, { "spool", required_argument, NULL, 's' }, { "json", no_argument, NULL, 'j' },
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
		else if (c == 'h')
			return fputs(help, stdout) < 0 ? EX_IOERR : EX_OK;
		else if (c == 'v')
			return puts("deaddrop-mailq " DEADDROP_VERSION) < 0 ? EX_IOERR : EX_OK;
		else
			return EX_USAGE;
	}
	if (optind == argc)
		return -1;
	fprintf(stderr, "deaddrop-mailq: %s: there are no operands; see --help\n", argv[optind]);
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
			complain(&error, "");
		str_cut(&error, 0);
		fprintf(stderr, "deaddrop-mailq: reading the spool %s itself\n", spool);
		result = mailq_read(spool, out, &error);
		if (result < 0)
			complain(&error, "");
	}
	str_free(&error);
	return result;
}

int main(int argc, char **argv)
{
	struct options options = { 0 };
	struct mailq_out out = { .printer = &mailq_text_printer, .file = stdout, .now = clock_wall() };
	int status = parse(argc, argv, &options);

	if (status >= 0)
		return status;
	if (options.json)
		out.printer = &mailq_json_printer;
	status = show(&options, &out) < 0 ? EX_TEMPFAIL : EX_OK;
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "deaddrop-mailq: standard output: %s\n", strerror(errno));
		status = EX_IOERR;
	}
	return status;
}
