/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The course of an import: a connection, folder after folder; a new connection where one breaks, and the folder at hand is asked for anew. */
#include "import.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "clock.h"
#include "import_internal.h"
#include "mailbox.h"

#define ATTEMPTS 8			/* connections in a row that bring nothing */
#define PAUSE_FIRST (3 * CLOCK_SECOND)
#define PAUSE_MAX (60 * CLOCK_SECOND)

static void on_timer(void *arg)
{
	struct import *import = arg;

	import->step(import);
}

void import_later(struct import *import, import_step *step, uint64_t pause)
{
	import->step = step;
	if (!loop_timer_set(import->host->loop, &import->timer, loop_now(import->host->loop) + pause))
		return;
	import->status = EX_OSERR;
	str_printf(import->error, "%s", strerror(errno));
	loop_stop(import->host->loop);
}

static void finish(struct import *import)
{
	import->over = true;
	loop_timer_clear(import->host->loop, &import->timer);
	if (import->session)
		session_leave(import->session);
	else
		loop_stop(import->host->loop);
}

/* What is under way is still finished; the first reason counts. */
void import_stop(struct import *import, int status, const char *format, ...)
{
	va_list args;

	if (!import->status) {
		import->status = status;
		va_start(args, format);
		str_vprintf(import->error, format, args);
		va_end(args);
	}
	import->stopping = true;
	if (!import->under_way)
		import_later(import, finish, 0);
}

/* ---- folders ---- */

static int name_mailbox(struct import *import)
{
	const char *name = import->folder->name;
	struct str wire = STR_INIT(8 * MAILBOX_MAX);
	int result;

	str_cut(&import->mailbox, 0);
	if (!*name || strcasecmp(import->base, "INBOX"))
		result = str_add(&import->mailbox, import->base) || (*name && str_add_char(&import->mailbox, '/'));
	else
		result = 0;
	result = result || str_add(&import->mailbox, name) || mailbox_wire(&wire, str_span(&import->mailbox), '/', span_of(""), false);
	str_free(&wire);
	return result ? -1 : 0;
}

static void count_there(struct import *import)
{
	for (size_t i = 0; import->folder && i < import->folder->count; i++)
		import->counts.there += import->folder->messages[i].state == IMPORT_THERE;
}

void import_next_folder(struct import *import)
{
	int status;

	count_there(import);
	if (import->folder)
		import_source_close(import->folder);
	import->folder = import->folder ? import->folder->next : import->source.folders;
	if (!import->folder || import->stopping) {
		finish(import);
		return;
	}
	status = import_source_list(&import->source, import->folder, import->error);
	if (status) {
		import->status = status;
		import_stop(import, status, "%s", "");
	} else if (name_mailbox(import) < 0) {
		import_stop(import, EX_DATAERR, "%s: no name for a mailbox: %s", import->folder->path, import->mailbox.data);
	} else {
		import_later(import, import->folder->count ? import_survey_begin : import_next_folder, 0);
	}
}

/* ---- the connection ---- */

static import_step connect_again;

static void on_ready(void *arg, struct session *session)
{
	struct import *import = arg;

	(void)session;
	import->ever_ready = true;
	import_later(import, import->folder ? import_survey_begin : import_next_folder, 0);
}

/* The whole account is to be left alone. */
static void on_overload(void *arg, const struct outcome *why)
{
	import_stop(arg, EX_TEMPFAIL, "%s %s", why->status, why->text);
}

static void retry(struct import *import, const struct outcome *why)
{
	uint64_t pause = PAUSE_FIRST << (import->attempts < 6 ? import->attempts : 6);

	if (import->attempts++ == ATTEMPTS) {
		import_stop(import, EX_TEMPFAIL, "%s", why ? why->text : "the server closes the connection each time");
		return;
	}
	if (why)
		import_report_event(import, "connection", import->account->name, "-", why->text);
	import_later(import, connect_again, pause < PAUSE_MAX ? pause : PAUSE_MAX);
}

static void on_over(void *arg, struct session *session, const struct outcome *why, bool login)
{
	struct import *import = arg;

	(void)session;
	import->session = NULL;
	loop_timer_clear(import->host->loop, &import->timer);
	import_upload_forget(import);
	import_survey_forget(import);
	if (import->over)
		loop_stop(import->host->loop);
	else if (!import->ever_ready)
		import_stop(import, login ? EX_NOPERM : EX_TEMPFAIL, "%s %s", why ? why->status : "", why ? why->text : "the server closes the connection");
	else if (import->stopping)
		finish(import);
	else
		retry(import, why);
}

static void connect_again(struct import *import)
{
	static const struct session_ops ops = {
		.peek = import_upload_peek, .take = import_upload_take, .settle = import_upload_settle, .back = import_upload_back,
		.ready = on_ready, .overload = on_overload, .over = on_over,
	};

	import->session = session_new(import->host, import->account, &ops, import);
	if (!import->session)
		import_stop(import, EX_OSERR, "%s", strerror(errno));
}

/* ---- */

static void on_skipped(void *arg, const char *path, const char *name, const char *why)
{
	struct import *import = arg;

	import->counts.skipped++;
	import_report_event(import, "skipped", path, name, why);
}

static int prepare(struct import *import, const struct import_request *request, struct str *error)
{
	struct str wire = STR_INIT(8 * MAILBOX_MAX);
	bool fit;

	import->base = request->mailbox ? request->mailbox : import->account->mailbox;
	if (!request->mailbox && strstr(import->base, "$1"))
		return str_printf(error, "--account %s: its mailbox is known only with an argument; say --mailbox", import->account->name), EX_USAGE;
	fit = !mailbox_wire(&wire, span_of(import->base), '/', span_of(""), false);
	str_free(&wire);
	if (!fit)
		return str_printf(error, "--mailbox %s: a name in UTF-8 with / between its levels was expected", import->base), EX_USAGE;
	return import_source_open(&import->source, request->path, request->subfolders, error);
}

static void run(struct import *import)
{
	connect_again(import);
	if (import->session && loop_run(import->host->loop) < 0)
		import_stop(import, EX_OSERR, "%s", strerror(errno));
	if (import->session)
		session_abort(import->session);
	import_upload_forget(import);
	import_survey_forget(import);
	import_report_end(import);
	if (!import->status && import->counts.failed) {
		import->status = EX_TEMPFAIL;
		str_add(import->error, "not all could be stored; run it again");
	} else if (!import->status && import->counts.refused) {
		import->status = EX_DATAERR;
		str_add(import->error, "some cannot be stored there");
	}
}

int import_run(const struct session_host *host, const struct account_table *accounts, const struct import_request *request, struct str *error)
{
	struct import import = { .host = host, .account = account_find(accounts, span_of(request->account)), .error = error, .mailbox = STR_INIT(MAILBOX_MAX) };

	if (!import.account)
		return str_printf(error, "--account %s: there is no such drop", request->account), EX_USAGE;
	import.source = (struct import_source){ .fd = -1, .skipped = on_skipped, .arg = &import };
	import.waiting_end = &import.waiting;
	import.survey.bytes = (struct str)STR_INIT(1024 * 1024);
	import.progress = (struct import_progress){ .shown = isatty(STDERR_FILENO), .began = clock_boot() };
	loop_timer_init(&import.timer, on_timer, &import);
	import.status = prepare(&import, request, error);
	if (!import.status)
		run(&import);
	loop_timer_clear(host->loop, &import.timer);
	import_source_free(&import.source);
	str_free(&import.survey.bytes);
	str_free(&import.mailbox);
	return import.status;
}
