/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a person sees of an import: a line that changes, where standard error is a terminal; a line for each message that did not get there; a sum. */
#include <stdio.h>
#include <unistd.h>

#include "clock.h"
#include "import_internal.h"

#define PAUSE (CLOCK_SECOND / 5)

static void clear_line(struct import *import)
{
	if (import->progress.line)
		fputs("\r\033[K", stderr);
	import->progress.line = false;
}

void import_report_event(struct import *import, const char *event, const char *path, const char *name, const char *why)
{
	struct log_line line;

	clear_line(import);
	log_begin(&line, import->host->log, event);
	log_word(&line, "from", path);
	log_word(&line, "message", name);
	log_text(&line, span_of(why));
	log_end(&line);
}

void import_report_message(struct import *import, const char *event, const struct import_message *message, const char *why)
{
	char place[64];

	snprintf(place, sizeof place, "at byte %lld", (long long)message->line);
	import_report_event(import, event, import->folder->path, message->name ? message->name : place, why);
}

static const char *size_text(uint64_t bytes, char text[32])
{
	if (bytes < 10000)
		snprintf(text, 32, "%llu bytes", (unsigned long long)bytes);
	else if (bytes < 10000000)
		snprintf(text, 32, "%.1f KB", (double)bytes / 1000);
	else
		snprintf(text, 32, "%.1f MB", (double)bytes / 1e6);
	return text;
}

static double rate(const struct import *import)
{
	uint64_t time = clock_boot() - import->progress.began;

	return time ? (double)import->counts.stored * CLOCK_SECOND / (double)time : 0;
}

/* The folder's place in it, for what was there counts as done. */
static size_t place(const struct import *import)
{
	size_t done = 0;

	for (size_t i = 0; i < import->next; i++)
		done += import->folder->messages[i].state != IMPORT_WAITS;
	return done;
}

void import_report_progress(struct import *import)
{
	uint64_t now = clock_boot();
	char size[32];

	if (!import->progress.shown || now < import->progress.last + PAUSE || !import->folder)
		return;
	import->progress.last = now;
	import->progress.line = true;
	fprintf(stderr, "\r\033[K%.60s: %zu of %zu", import->mailbox.data, place(import), import->folder->count);
	fprintf(stderr, "; in all %llu stored, %s, %.0f a second", (unsigned long long)import->counts.stored, size_text(import->counts.bytes, size), rate(import));
	fflush(stderr);
}

void import_report_end(struct import *import)
{
	const struct import_counts *counts = &import->counts;
	char size[32];

	clear_line(import);
	printf("stored %llu (%s), there already %llu, refused %llu, failed %llu", (unsigned long long)counts->stored, size_text(counts->bytes, size),
	    (unsigned long long)counts->there, (unsigned long long)counts->refused, (unsigned long long)counts->failed);
	if (counts->gone)
		printf(", gone meanwhile %llu", (unsigned long long)counts->gone);
	if (counts->skipped)
		printf(", skipped %llu", (unsigned long long)counts->skipped);
	printf("\n");
	fflush(stdout);
}
