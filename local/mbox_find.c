/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mbox_find.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "message.h"
#include "trace.h"

#define NEEDLE_MAX 2048U		/* From_ line, or the begin of a bare message */
#define WINDOW (256U * 1024)
#define HEADER_MAX (64U * 1024)		/* bytes of a stored header that are looked at */

static int set_needle(struct mbox_find_job *job, enum mbox_style style)
{
	struct span head = str_span(&job->job->head);

	job->needle = (struct str)STR_INIT(2 * NEEDLE_MAX);
	if (style != MBOX_BARE)
		return mbox_render_from(&job->needle, job->job) < 0 ? -1 : str_add_char(&job->needle, '\n');
	if (head.len > NEEDLE_MAX)
		head.len = NEEDLE_MAX;
	return str_add_span(&job->needle, head);
}

int mbox_find_begin(struct mbox_find *find, int fd, uint64_t size, enum mbox_style style, struct deliver_job **jobs, size_t count)
{
	size_t unclear = 0;

	for (size_t i = 0; i < count; i++)
		unclear += jobs[i]->unclear;
	*find = (struct mbox_find){ .fd = fd, .style = style, .size = size };
	find->jobs = unclear ? calloc(unclear, sizeof *find->jobs) : NULL;
	if (!unclear)
		return 0;
	if (!find->jobs)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (!jobs[i]->unclear)
			continue;
		find->jobs[find->count].job = jobs[i];
		if (set_needle(&find->jobs[find->count++], style) < 0)
			return -1;
	}
	return 0;
}

void mbox_find_end(struct mbox_find *find)
{
	for (size_t i = 0; i < find->count; i++)
		str_free(&find->jobs[i].needle);
	free(find->jobs);
	*find = (struct mbox_find){ .fd = -1 };
}

bool mbox_find_found(const struct mbox_find *find, const struct deliver_job *job)
{
	for (size_t i = 0; i < find->count; i++)
		if (find->jobs[i].job == job)
			return find->jobs[i].found;
	return false;
}

/* ---- is it a copy of this job? ---- */

enum likeness { SAME, TORN, OTHER, FAILED };

static enum likeness compare_piece(const struct mbox_find *find, uint64_t at, const struct str *piece)
{
	size_t have = find->size - at < piece->len ? (size_t)(find->size - at) : piece->len;
	char *there = malloc(have + 1);
	enum likeness result = FAILED;

	if (there && pread(find->fd, there, have, (off_t)at) == (ssize_t)have) {
		result = SAME;
		if (have < piece->len)
			result = TORN;
		for (size_t i = 0; i < have; i++) {
			if (there[i] == piece->data[i])
				continue;
			/* Zeros: the length reached the disk and the bytes did not. */
			result = !there[i] && at + have == find->size ? TORN : OTHER;
			break;
		}
	}
	free(there);
	return result;
}

/* All its bytes. */
static enum likeness compare(const struct mbox_find *find, const struct deliver_job *job, uint64_t at)
{
	struct str piece = STR_INIT(MBOX_RENDER_MAX + TRACE_MAX);
	struct mbox_render render;
	enum likeness result = SAME;
	int more = 1;

	mbox_render_begin(&render, job, find->style);
	while (more > 0 && result == SAME) {
		str_cut(&piece, 0);
		more = mbox_render_more(&render, &piece);
		result = more < 0 ? FAILED : compare_piece(find, at, &piece);
		at += piece.len;
	}
	str_free(&piece);
	return result;
}

/* A reader adds fields to the header and quotes differently: then the trace and the job's own fields tell, for the host's Received
 * field among them holds the message's id. */
static bool same_header(const struct mbox_find *find, const struct mbox_find_job *job, uint64_t at)
{
	struct str stored = STR_INIT(HEADER_MAX + 1), own = STR_INIT(TRACE_MAX + HEADER_MAX);
	struct span head = str_span(&job->job->head);
	ssize_t got = -1;
	bool same = false;

	head.len = message_header_length(head) < HEADER_MAX / 2 ? message_header_length(head) : HEADER_MAX / 2;
	while (head.len && head.data[head.len - 1] == '\n' && head.len > 1 && head.data[head.len - 2] == '\n')
		head.len--;		/* the empty line: new fields come before it */
	if (!str_reserve(&stored, HEADER_MAX) && !trace_put(&own, job->job) && !str_add_span(&own, head))
		got = pread(find->fd, stored.data, HEADER_MAX, (off_t)(at + job->needle.len));
	if (got > 0)
		same = message_find(head, "Received", &(struct message_field){ .name = { "", 0 } }) &&
		    memmem(stored.data, message_header_length((struct span){ stored.data, (size_t)got }), own.data, own.len);
	str_free(&stored);
	str_free(&own);
	return same;
}

/* False: what was read failed. */
static bool look_at(struct mbox_find *find, struct mbox_find_job *job, uint64_t at)
{
	enum likeness likeness = compare(find, job->job, at);

	if (likeness == SAME || (likeness == OTHER && find->style != MBOX_BARE && same_header(find, job, at)))
		job->found = true;
	if (likeness == TORN) {
		find->torn = true;
		find->size = at;
	}
	return likeness != FAILED;
}

/* ---- the scan ---- */

static bool begins_line(const char *window, const char *at, uint64_t offset)
{
	return at > window ? at[-1] == '\n' : !offset;
}

/* What is behind a torn copy's begin does not count any more. */
static size_t bytes_in(const struct mbox_find *find, size_t len)
{
	return find->size - find->at < len ? (size_t)(find->size - find->at) : len;
}

static int scan_for(struct mbox_find *find, struct mbox_find_job *job, const char *window, size_t len)
{
	const char *at = window, *end = window + bytes_in(find, len);
	const char *hit;

	while (!job->found && at < end && (hit = memmem(at, (size_t)(end - at), job->needle.data, job->needle.len))) {
		at = hit + 1;
		if (find->style != MBOX_BARE && !begins_line(window, hit, find->at))
			continue;
		if (!look_at(find, job, find->at + (uint64_t)(hit - window)))
			return -1;
		end = window + bytes_in(find, len);
	}
	return 0;
}

/* One that is shorter than its own begin stands at the file's end alone. */
static void scan_end(struct mbox_find *find, const char *window, size_t len)
{
	for (size_t i = 0; i < find->count && !find->torn; i++) {
		struct mbox_find_job *job = &find->jobs[i];
		size_t most = job->needle.len < len ? job->needle.len : len;

		/* a few bytes may be like it by chance */
		for (size_t n = most; n > 5 && find->style != MBOX_BARE && !job->found && !find->torn; n--) {
			if (memcmp(window + len - n, job->needle.data, n) || !begins_line(window, window + len - n, find->at))
				continue;
			find->torn = true;
			find->size -= n;
		}
	}
}

/* Windows overlap by a needle and the newline before it. */
int mbox_find_more(struct mbox_find *find)
{
	char *window = find->count ? malloc(WINDOW) : NULL;
	uint64_t stop = find->at + MBOX_FIND_STEP;
	int result = find->count && !window ? -1 : 0;

	while (window && !result && find->at < find->size) {
		size_t want = find->size - find->at < WINDOW ? (size_t)(find->size - find->at) : WINDOW;
		bool last = find->at + want == find->size;

		if (find->at >= stop) {
			free(window);
			return 1;
		}
		if (pread(find->fd, window, want, (off_t)find->at) != (ssize_t)want) {
			errno = EIO;
			result = -1;
		}
		for (size_t i = 0; i < find->count && !result; i++)
			result = scan_for(find, &find->jobs[i], window, want);
		if (last && !result)
			scan_end(find, window, bytes_in(find, want));
		if (last)
			break;
		find->at += want - (NEEDLE_MAX + 2);
	}
	free(window);
	return result;
}
