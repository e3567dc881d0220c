/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The command line: sendmail's letters in every form callers use (glued, separate, clustered, behind recipients), and our own long options.  Pure.  Historic
 * letters are swallowed with their value: a caller never fails for one.
 */
#ifndef DEADDROP_OPTIONS_H
#define DEADDROP_OPTIONS_H

#include "str.h"

enum options_mode {
	OPTIONS_SEND, OPTIONS_SMTP, OPTIONS_LIST, OPTIONS_ALIASES, OPTIONS_VERIFY, OPTIONS_FLUSH, OPTIONS_HELP, OPTIONS_VERSION
};

struct options {			/* the strings are argv's */
	const char *program;		/* argv[0] without directories */
	enum options_mode mode;
	bool from_header;		/* -t */
	bool subtract;
	bool ignore_dots;		/* -i, -oi */
	bool dot;			/* --dot */
	bool verbose;
	bool dead_letter;		/* --dead-letter */
	const char *sender;		/* -f, -r; NULL: none */
	const char *full_name;		/* -F */
	const char *notify;		/* -N */
	const char *ret;		/* -R */
	const char *envid;		/* -V */
	const char *body;		/* -B */
	const char *mime;		/* --mime: a character set; NULL: not given */
	const char *socket, *admin, *config, *wait;	/* NULL: not given */
	const char *flush_id;		/* -qIid; NULL: all */
	int envelope_fd;		/* -1: none */
	char **operands;		/* recipients; for OPTIONS_LIST what deaddrop-mailq gets */
	size_t count;
};

/* 0, or EX_USAGE or EX_OSERR with error set.  options_free in either case. */
int options_parse(struct options *options, int argc, char **argv, struct str *error);
void options_free(struct options *options);
int options_help(struct str *out, const char *program);		/* appends the text of --help */

#endif
