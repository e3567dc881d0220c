/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sendmail(8) for everybody on the host: hands the message on standard input to deaddrop-queue.  It runs with the caller's rights and for a moment only, so it has
 * neither jail nor loop.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "handin.h"
#include "modes.h"
#include "options.h"
#include "settings.h"
#include "version.h"

#define TEXT_MAX 16384

/* Callers close what they like.  A descriptor 0 to 2 must not become a socket or the spool of a header; a closed standard input stays unreadable. */
static void occupy_standard_descriptors(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_WRONLY);
		if (fd < 0)
			fd = open("/", O_PATH);		/* in a jail without devices: it can be neither read nor written */
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

static void put_out(int fd, const struct str *text)
{
	size_t at = 0;
	ssize_t n;

	while (at < text->len) {
		n = write(fd, text->data + at, text->len - at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		at += (size_t)n;
	}
}

/* A line on standard error.  Parts of it may come from a message or a peer: no control character passes. */
static void complain(const struct options *o, const struct str *text)
{
	struct str line = STR_INIT(TEXT_MAX);
	size_t i;

	if (text->len == 0)
		return;
	str_printf(&line, "%s: ", o->program);
	str_add_span(&line, str_span(text));
	for (i = 0; i < line.len; i++)
		if ((unsigned char)line.data[i] < ' ' || line.data[i] == 0x7f)
			line.data[i] = '?';
	str_add_char(&line, '\n');
	put_out(STDERR_FILENO, &line);
	str_free(&line);
}

static int send_mode(const struct options *o, const struct settings *s, struct str *out, struct str *error)
{
	struct handin_result result;
	int code;

	handin_result_init(&result);
	code = handin_run(o, s, STDIN_FILENO, &result);
	complain(o, &result.warning);
	if (code == 0 && o->verbose)
		str_printf(out, "accepted as %s\n", result.id.data);
	str_add_span(error, str_span(&result.error));
	handin_result_free(&result);
	return code;
}

static void keep_unsent(const struct options *o, const struct settings *s, struct str *error)
{
	struct handin_result result;

	handin_result_init(&result);
	handin_keep(o, s, STDIN_FILENO, &result);
	str_add_span(error, str_span(&result.error));
	handin_result_free(&result);
}

static int run(const struct options *o, struct str *out, struct str *error)
{
	struct settings settings;
	int code;

	switch (o->mode) {
	case OPTIONS_HELP:
		return options_help(out, o->program) < 0 ? EX_OSERR : 0;
	case OPTIONS_VERSION:
		return str_printf(out, "deaddrop-inject %s\n", DEADDROP_VERSION) < 0 ? EX_OSERR : 0;
	case OPTIONS_ALIASES:
		return 0;		/* deaddrop-send reads the aliases by itself */
	default:
		break;
	}
	code = settings_load(&settings, o, error);
	if (code == 0)
		switch (o->mode) {
		case OPTIONS_LIST:
			code = modes_list(o, &settings, error);
			break;
		case OPTIONS_SMTP:
			code = modes_smtp(o, &settings, error);
			break;
		case OPTIONS_VERIFY:
			code = modes_verify(o, &settings, out, error);
			break;
		case OPTIONS_FLUSH:
			code = modes_flush(o, &settings, out, error);
			break;
		default:
			code = send_mode(o, &settings, out, error);
		}
	else if (o->mode == OPTIONS_SEND && settings.dead_letter)
		keep_unsent(o, &settings, error);
	settings_free(&settings);
	return code;
}

int main(int argc, char **argv)
{
	struct str out = STR_INIT(1024U * 1024), error = STR_INIT(TEXT_MAX);
	char no_memory[] = "sendmail: out of memory\n";	/* where there is none for a better text */
	struct options options;
	int code;

	occupy_standard_descriptors();
	signal(SIGPIPE, SIG_IGN);	/* a reader of our messages that is gone must not change the exit status */
	signal(SIGXFSZ, SIG_IGN);	/* a limit of file sizes is a full file system to us */
	code = options_parse(&options, argc, argv, &error);
	if (code == 0)
		code = run(&options, &out, &error);
	put_out(STDOUT_FILENO, &out);
	if (code != 0 && error.len == 0)
		put_out(STDERR_FILENO, &(struct str){ .data = no_memory, .len = sizeof no_memory - 1 });
	complain(&options, &error);
	options_free(&options);
	str_free(&out);
	str_free(&error);
	return code;
}
