/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "options.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

typedef int take_fn(struct options *options, const char *value, struct str *error);

enum value { NONE, NEEDED, GLUED };	/* GLUED: what follows in the same word, if anything */

/* What an option does: it is kept in one of the options' fields, or a function takes it, or it is swallowed. */
struct effect {
	enum { SWALLOW, TEXT, FLAG, CALL } kind;
	size_t field;
	take_fn *take;
};

#define KEPT(member) { TEXT, offsetof(struct options, member), NULL }
#define SET(member) { FLAG, offsetof(struct options, member), NULL }
#define TAKEN(function) { CALL, 0, function }
#define SWALLOWED { SWALLOW, 0, NULL }

static int usage(struct str *error, const char *text, const char *what)
{
	str_printf(error, "%s%s", text, what);
	return EX_USAGE;
}

static int take_mode(struct options *o, const char *value, struct str *error)
{
	static const struct {
		char letter;
		enum options_mode mode;
	} modes[] = {
		{ 'm', OPTIONS_SEND }, { 's', OPTIONS_SMTP }, { 'p', OPTIONS_LIST }, { 'P', OPTIONS_LIST },
		{ 'i', OPTIONS_ALIASES }, { 'I', OPTIONS_ALIASES }, { 'v', OPTIONS_VERIFY },
	};
	size_t i;

	for (i = 0; i < sizeof modes / sizeof modes[0]; i++)
		if (value[0] == modes[i].letter) {
			o->mode = modes[i].mode;
			return 0;
		}
	if (value[0] == 'd' || value[0] == 'D')
		return usage(error, "there is no daemon mode here: run deaddrop-queue and deaddrop-send for the queue, deaddrop-smtpd for SMTP: -b", value);
	if (value[0] == 't')
		return usage(error, "there is no address test mode here: ask deaddrop-send --explain ADDRESS: -b", value);
	return usage(error, "unknown mode (known are -bm -bs -bp -bi -bv): -b", value);
}

static int take_aliases(struct options *o, const char *value, struct str *error)
{
	(void)value, (void)error;
	o->mode = OPTIONS_ALIASES;
	return 0;
}

/* -oX: of the settings that a letter names only i has a meaning here. */
static int take_setting(struct options *o, const char *value, struct str *error)
{
	(void)error;
	if (value[0] == 'i')
		o->ignore_dots = true;
	return 0;
}

static int take_flush(struct options *o, const char *value, struct str *error)
{
	if (strchr("0123456789p", value[0]) && value[0] != '\0')
		return usage(error, "there are no queue runs by the clock here: deaddrop-send runs all the time: -q", value);
	o->mode = OPTIONS_FLUSH;
	if (value[0] == 'I' && value[1] != '\0')
		o->flush_id = value + 1;
	return 0;
}

/* A letter that is not here takes the rest of its word with it. */
static const struct {
	char letter;
	enum value value;
	struct effect effect;
} letters[] = {
	{ 'A', NEEDED, SWALLOWED }, { 'B', NEEDED, KEPT(body) }, { 'b', NEEDED, TAKEN(take_mode) }, { 'C', NEEDED, SWALLOWED },
	{ 'd', GLUED, SWALLOWED }, { 'e', NEEDED, SWALLOWED }, { 'F', NEEDED, KEPT(full_name) }, { 'f', NEEDED, KEPT(sender) },
	{ 'G', NONE, SWALLOWED }, { 'h', NEEDED, SWALLOWED }, { 'I', NONE, TAKEN(take_aliases) }, { 'i', NONE, SET(ignore_dots) },
	{ 'L', NEEDED, SWALLOWED }, { 'm', NONE, SWALLOWED }, { 'N', NEEDED, KEPT(notify) }, { 'n', NONE, SWALLOWED },
	{ 'O', NEEDED, SWALLOWED }, { 'o', NEEDED, TAKEN(take_setting) }, { 'p', NEEDED, SWALLOWED }, { 'q', GLUED, TAKEN(take_flush) },
	{ 'R', NEEDED, KEPT(ret) }, { 'r', NEEDED, KEPT(sender) }, { 'S', NEEDED, SWALLOWED }, { 't', NONE, SET(from_header) },
	{ 'U', NONE, SWALLOWED }, { 'V', NEEDED, KEPT(envid) }, { 'v', NONE, SET(verbose) }, { 'X', NEEDED, SWALLOWED },
	{ 'x', NONE, SWALLOWED },
};

static int take_help(struct options *o, const char *value, struct str *error)
{
	(void)value, (void)error;
	o->mode = OPTIONS_HELP;
	return 0;
}

static int take_version(struct options *o, const char *value, struct str *error)
{
	(void)value, (void)error;
	o->mode = OPTIONS_VERSION;
	return 0;
}

static int take_envelope_fd(struct options *o, const char *value, struct str *error)
{
	uint64_t fd;

	if (span_decimal(span_of(value), 1023, &fd) < 0 || fd == 0)
		return usage(error, "--envelope-fd takes a descriptor's number from 1 to 1023, not ", value);
	o->envelope_fd = (int)fd;
	return 0;
}

static const struct {
	const char *name, *argument;
	struct effect effect;
	const char *help;
} words[] = {
	{ "out", "SOCKET", KEPT(socket), "queue's control socket (/var/spool/deaddrop/public/queue.ctrl)" },
	{ "admin", "SOCKET", KEPT(admin), "send's, for mailq and -q (/var/spool/deaddrop/public/admin.ctrl)" },
	{ "config", "FILE", KEPT(config), "configuration; may be missing (/etc/deaddrop/inject.conf)" },
	{ "wait", "DURATION", KEPT(wait), "how long to wait for a queue that is away (30s)" },
	{ "envelope-fd", "N", TAKEN(take_envelope_fd), "read sender and recipients from descriptor N as qmail-queue does" },
	{ "subtract", NULL, SET(subtract), "with -t: recipients in arguments are left out, not added" },
	{ "dot", NULL, SET(dot), "a line with one dot ends the message; \"..\" at a line's start loses a dot" },
	{ "mime", "CHARSET", KEPT(mime), "add MIME-Version and Content-Type where they are missing: text of this character set (none)" },
	{ "dead-letter", NULL, SET(dead_letter), "append what cannot be handed in to dead.letter in the home directory" },
	{ "verbose", NULL, SET(verbose), "print the message's id (-v)" },
	{ "help", NULL, TAKEN(take_help), "print this" },
	{ "version", NULL, TAKEN(take_version), "print the version" },
};

static int apply(struct options *o, const struct effect *effect, const char *value, struct str *error)
{
	void *field = (char *)o + effect->field;

	switch (effect->kind) {
	case TEXT:
		*(const char **)field = value;
		return 0;
	case FLAG:
		*(bool *)field = true;
		return 0;
	case CALL:
		return effect->take(o, value, error);
	case SWALLOW:
		break;
	}
	return 0;
}

static int long_option(struct options *o, int argc, char **argv, int *at, struct str *error)
{
	char *word = argv[*at];
	const char *value = strchr(word, '=');
	struct span name = { word + 2, value ? (size_t)(value - word) - 2 : strlen(word + 2) };
	size_t i;

	for (i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (!span_is(name, words[i].name))
			continue;
		if (!words[i].argument)
			return value ? usage(error, "takes no value: ", word) : apply(o, &words[i].effect, "", error);
		if (value)
			return apply(o, &words[i].effect, value + 1, error);
		if (*at + 1 >= argc)
			return usage(error, "needs a value: ", word);
		return apply(o, &words[i].effect, argv[++*at], error);
	}
	if (o->mode == OPTIONS_LIST) {		/* mailq --json: deaddrop-mailq knows it */
		o->operands[o->count++] = word;
		return 0;
	}
	return usage(error, "unknown option, see --help: ", word);
}

/* A word of letters.  A value that is missing at the command line's end matters only where the letter means something. */
static int short_options(struct options *o, int argc, char **argv, int *at, struct str *error)
{
	const char *p = argv[*at] + 1;
	size_t i;
	int r = 0;

	while (*p && r == 0) {
		char letter = *p++;

		for (i = 0; i < sizeof letters / sizeof letters[0] && letters[i].letter != letter; i++)
			;
		if (i == sizeof letters / sizeof letters[0])
			return 0;
		if (letters[i].value == NONE) {
			r = apply(o, &letters[i].effect, "", error);
			continue;
		}
		if (*p == '\0' && letters[i].value == NEEDED) {
			if (*at + 1 < argc)
				p = argv[++*at];
			else if (letters[i].effect.kind != SWALLOW)
				return usage(error, "needs a value: ", argv[*at]);
		}
		return apply(o, &letters[i].effect, p, error);
	}
	return r;
}

int options_parse(struct options *o, int argc, char **argv, struct str *error)
{
	const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
	bool operands_only = false;
	int i, r = 0;

	*o = (struct options){ .program = slash ? slash + 1 : argc > 0 ? argv[0] : "sendmail", .envelope_fd = -1 };
	if (strcmp(o->program, "mailq") == 0)
		o->mode = OPTIONS_LIST;
	else if (strcmp(o->program, "newaliases") == 0)
		o->mode = OPTIONS_ALIASES;
	o->operands = malloc(((size_t)argc + 1) * sizeof *o->operands);
	if (!o->operands) {
		str_printf(error, "out of memory for %d arguments", argc);
		return EX_OSERR;
	}
	for (i = 1; i < argc && r == 0; i++) {
		if (operands_only || argv[i][0] != '-' || argv[i][1] == '\0')
			o->operands[o->count++] = argv[i];
		else if (strcmp(argv[i], "--") == 0)
			operands_only = true;
		else if (argv[i][1] == '-')
			r = long_option(o, argc, argv, &i, error);
		else
			r = short_options(o, argc, argv, &i, error);
	}
	return r;
}

void options_free(struct options *o)
{
	free(o->operands);
	o->operands = NULL;
	o->count = 0;
}

int options_help(struct str *out, const char *program)
{
	size_t i;
	int r = 0;

	r |= str_printf(out, "Usage: %s [-ti] [-f SENDER] [-F NAME] [--long-option …] [RECIPIENT …] < message\n"
	    "Hands a message to deaddrop-queue; exit status 0 means that it is on stable storage.\n\n"
	    "  -t                  recipients from To, Cc and Bcc, in addition to arguments; also without it where there are no arguments\n"
	    "  -f, -r SENDER       envelope sender; <> is the null sender (login@mailname)\n"
	    "  -F NAME             full name for a From field that is missing (the account's)\n"
	    "  -i, -oi             no line ends the message, on a terminal neither\n"
	    "  -N, -R, -V          delivery status: never or success,failure,delay; full or hdrs; envelope id\n"
	    "  -B 8BITMIME|7BIT    what the body is\n"
	    "  -bp -bs -bi -bv -q  list the queue (mailq), SMTP on standard input, nothing (newaliases), check addresses, try deferred mail now\n"
	    "  other letters of sendmail are taken and mean nothing\n", program);
	for (i = 0; i < sizeof words / sizeof words[0]; i++) {
		struct str left = STR_INIT(64);

		r |= str_printf(&left, "--%s %s", words[i].name, words[i].argument ? words[i].argument : "");
		r |= str_printf(out, "  %-19s %s\n", left.data, words[i].help);
		str_free(&left);
	}
	return r | str_printf(out, "\nExamples:\n"
	    "  printf 'Subject: backup done\\n\\nall well\\n' | %s root\n"
	    "  %s -t -v --out ./queue.ctrl < message\n", program, program);
}
