/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "clock.h"
#include "crc32c.h"

#define FILE_BYTES (UINT64_C(8) * 1024 * 1024)	/* then the next file is begun */
#define FILE_RECORDS 4096U
#define BATCH_BYTES (1024U * 1024)
#define BATCH_MESSAGES 1024U
#define BATCH_MAX (16U * 1024 * 1024)		/* one message with the largest envelope fits */
#define BLANK_LEAST (UINT64_C(16) * 1024)
#define BLANK_MOST (UINT64_C(1024) * 1024)
#define BLANK_BELOW (16U * 1024)	/* bytes of a message */
#define PIECE (16U * 1024)
#define PIECES (BLANK_MOST / PIECE)
#define RETRY (1 * CLOCK_SECOND)
/* A commit of a single message that lasts less than this is not worth two changes of thread. */
#define INLINE_BELOW (CLOCK_SECOND / 1000)

static const char zeros[PIECE];

struct write {				/* what the thread works on */
	struct commit_job job;
	int fd;
	uint64_t at;
	const char *data;
	size_t len;
	uint64_t blank;			/* write NULs behind the data up to here */
	bool cut;			/* after a failure: the file is back at its old length */
	uint64_t took;			/* microseconds */
};

struct list {
	struct submission *first, **end;
	size_t count;
};

struct journal {
	struct journal_setup setup;
	struct segment *current, *spare;
	struct segment *making;		/* a spare to be */
	struct list waiting, batch;
	struct str bytes;		/* the batch's records */
	struct str received;
	struct write write;
	bool writing;
	bool ended;
	uint64_t blank;			/* of the next spare */
	uint64_t last_took;
	int make_error;			/* why there is no spare */
	struct loop_timer quiet, retry;
};

static void list_clear(struct list *list)
{
	list->first = NULL;
	list->end = &list->first;
	list->count = 0;
}

static void list_put(struct list *list, struct submission *submission)
{
	submission->next = NULL;
	*list->end = submission;
	list->end = &submission->next;
	list->count++;
}

static struct submission *list_take(struct list *list)
{
	struct submission *submission = list->first;

	if (!submission)
		return NULL;
	list->first = submission->next;
	if (!list->first)
		list->end = &list->first;
	list->count--;
	return submission;
}

/* ---- files ---- */

static void made(void *arg, struct segment *segment);

static void make_spare(struct journal *j)
{
	if (j->ended || j->spare || j->making || loop_timer_is_set(&j->retry))
		return;
	j->making = segment_make(j->setup.segments, j->blank, made, j);
	if (j->making)
		return;
	j->make_error = errno;
	(void)loop_timer_set(j->setup.loop, &j->retry, clock_boot() + RETRY);
}

static void retry(void *arg)
{
	make_spare(arg);
}

static void made(void *arg, struct segment *segment)
{
	struct journal *j = arg;

	j->making = NULL;
	if (segment->job.error) {
		/* one line for a spell of trouble, not one a second */
		if (j->make_error != segment->job.error)
			j->setup.ops->trouble(j->setup.arg, "make a journal file", segment->job.error);
		j->make_error = segment->job.error;
		segment_discard(segment);
		(void)loop_timer_set(j->setup.loop, &j->retry, clock_boot() + RETRY);
		return;
	}
	j->make_error = 0;
	if (j->ended)
		segment_discard(segment);
	else
		j->spare = segment;
}

/* Lets the current file go; how far the blocks written ahead reached decides how many the next spare gets. */
static void close_current(struct journal *j)
{
	struct segment *segment = j->current;

	if (!segment)
		return;
	if (segment->length > segment->first_blank && j->blank < BLANK_MOST)
		j->blank *= 2;
	else if (segment->length < segment->first_blank / 4 && j->blank > BLANK_LEAST)
		j->blank /= 2;
	j->current = NULL;
	segment_close(segment);
}

/* Sees to it that there is a file to append to. */
static bool have_current(struct journal *j)
{
	bool full = j->current && (j->current->length >= FILE_BYTES || j->current->records >= FILE_RECORDS);

	/* a full file goes on while there is no other */
	if (full && j->spare)
		close_current(j);
	if (!j->current && j->spare) {
		j->current = j->spare;
		j->spare = NULL;
	}
	make_spare(j);
	return j->current != NULL;
}

static void quiet(void *arg)
{
	struct journal *j = arg;

	if (j->writing || j->waiting.first)
		return;		/* the commit's end sets the timer again */
	close_current(j);
	str_free(&j->bytes);
	str_free(&j->received);
}

/* ---- a batch ---- */

static int put_record(struct journal *j, struct submission *s)
{
	struct segment *segment = j->current;
	struct str *received = &j->received;
	uint32_t crc = record_body_crc(segment->mark);
	size_t before = j->bytes.len;

	s->id = (struct id){ segment->name, segment->records };
	str_cut(received, 0);
	if (submission_received(s, j->setup.host, received))
		return -1;
	crc = crc32c(crc, received->data, received->len);
	crc = crc32c(crc, s->body.data, s->body.len);
	if (submission_header(s, segment->mark, segment->length, received->len + s->body.len, crc, &j->bytes)
	    || str_add_span(&j->bytes, str_span(received)) || str_add_span(&j->bytes, str_span(&s->body))) {
		str_cut(&j->bytes, before);
		return -1;
	}
	segment->records++;
	return 0;
}

static void compose(struct journal *j)
{
	str_cut(&j->bytes, 0);
	while (j->waiting.first && j->batch.count < BATCH_MESSAGES && j->bytes.len < BATCH_BYTES) {
		struct submission *s = list_take(&j->waiting);

		if (put_record(j, s))
			j->setup.ops->settled(j->setup.arg, s, NULL, strerror(errno));
		else
			list_put(&j->batch, s);
	}
}

/* ---- in the thread ---- */

static int write_data(const struct write *w, size_t done)
{
	while (done < w->len) {
		ssize_t n = pwrite(w->fd, w->data + done, w->len - done, (off_t)(w->at + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? errno : ENOSPC;
		done += (size_t)n;
	}
	return 0;
}

/* The records, and behind them the NULs of blocks that later records will find written.  The NULs are only for speed: where there is no room for them, there are none. */
static int write_batch(struct write *w)
{
	struct iovec iov[1 + PIECES];
	int count = 1;
	ssize_t n;

	iov[0] = (struct iovec){ (void *)(uintptr_t)w->data, w->len };
	for (uint64_t at = w->at + w->len; at < w->blank && count < (int)(1 + PIECES); at += PIECE)
		iov[count++] = (struct iovec){ (void *)(uintptr_t)zeros, w->blank - at < PIECE ? (size_t)(w->blank - at) : PIECE };
	n = pwritev(w->fd, iov, count, (off_t)w->at);
	if (n < 0 && errno != EINTR && errno != ENOSPC)
		return errno;
	w->blank = w->at + (n > 0 ? (size_t)n : 0);
	if (w->blank < w->at + w->len)
		w->blank = w->at + w->len;
	return write_data(w, n > 0 ? (size_t)n : 0);
}

/* Back to what is committed.  If even that fails the records are at least no records any more, as far as it depends on us. */
static void cut_back(struct write *w)
{
	w->cut = !ftruncate(w->fd, (off_t)w->at) && !fdatasync(w->fd);
	if (!w->cut && pwrite(w->fd, zeros, RECORD_LINE, (off_t)w->at) == RECORD_LINE)
		(void)fdatasync(w->fd);
}

static int write_run(struct commit_job *job)
{
	struct write *w = (struct write *)(void *)job;
	uint64_t begun = clock_boot();
	int error = write_batch(w);

	if (!error && fdatasync(w->fd))
		error = errno;
	if (error)
		cut_back(w);
	w->took = clock_boot() - begun;
	return error;
}

/* ---- back in the loop ---- */

static void settle_batch(struct journal *j, struct segment *segment, const char *why)
{
	struct submission *s;

	while ((s = list_take(&j->batch)))
		j->setup.ops->settled(j->setup.arg, s, segment, why);
	j->setup.ops->committed(j->setup.arg, segment);
}

static void failed(struct journal *j)
{
	struct segment *segment = j->current;

	j->setup.ops->trouble(j->setup.arg, "write to the journal", j->write.job.error);
	j->current = NULL;
	/* ids of the records that are cut off stay taken: the file is not appended to again */
	segment->broken = !j->write.cut;
	settle_batch(j, NULL, strerror(j->write.job.error));
	segment_close(segment);
}

static void write_done(struct commit_job *job)
{
	struct write *w = (struct write *)(void *)job;
	struct journal *j = (struct journal *)(void *)((char *)w - offsetof(struct journal, write));

	j->writing = false;
	j->last_took = w->took;
	if (job->error) {
		failed(j);
	} else {
		j->current->length += w->len;
		if (w->blank > j->current->blank)
			j->current->blank = w->blank;
		settle_batch(j, j->current, NULL);
		(void)loop_timer_set(j->setup.loop, &j->quiet, clock_boot() + j->setup.idle_close);
	}
}

/* How many NULs go behind a batch that ends where no block is written yet.  They spare the next commits the file system's own, which for large messages is less than
 * what it costs to write all their blocks twice. */
static uint64_t blank_behind(const struct segment *segment, size_t bytes, size_t messages)
{
	if (bytes / messages >= BLANK_BELOW)
		return 0;
	return segment->blank < BLANK_LEAST ? BLANK_LEAST : segment->blank > BLANK_MOST ? BLANK_MOST : segment->blank;
}

static void start(struct journal *j)
{
	struct segment *segment = j->current;
	uint64_t end = segment->length + j->bytes.len;
	uint64_t more = blank_behind(segment, j->bytes.len, j->batch.count);
	bool alone = j->batch.count == 1 && !j->waiting.first && j->last_took < INLINE_BELOW;

	j->write = (struct write){
		.job = { .run = write_run, .done = write_done },
		.fd = segment->fd,
		.at = segment->length,
		.data = j->bytes.data,
		.len = j->bytes.len,
		.blank = end > segment->blank && end + more <= FILE_BYTES + BLANK_MOST ? end + more : end,
	};
	j->writing = true;
	if (alone)
		commit_inline(&j->write.job);
	else
		commit_start(j->setup.committer, &j->write.job);
}

void journal_turn(struct journal *j)
{
	if (j->writing || !j->waiting.first)
		return;
	if (have_current(j)) {
		compose(j);
		if (j->batch.first)
			start(j);
	} else if (!j->making) {
		struct submission *s;

		while ((s = list_take(&j->waiting)))
			j->setup.ops->settled(j->setup.arg, s, NULL, strerror(j->make_error ? j->make_error : ENOSPC));
		j->setup.ops->committed(j->setup.arg, NULL);
	}
}

void journal_add(struct journal *j, struct submission *submission)
{
	list_put(&j->waiting, submission);
}

bool journal_idle(const struct journal *j)
{
	return !j->writing && !j->waiting.first;
}

struct journal *journal_new(const struct journal_setup *setup)
{
	struct journal *j = calloc(1, sizeof *j);

	if (!j)
		return NULL;
	j->setup = *setup;
	j->bytes = (struct str)STR_INIT(BATCH_MAX);
	j->received = (struct str)STR_INIT(RECEIVED_MAX);
	list_clear(&j->waiting);
	list_clear(&j->batch);
	j->blank = BLANK_LEAST;
	j->last_took = CLOCK_NEVER;
	loop_timer_init(&j->quiet, quiet, j);
	loop_timer_init(&j->retry, retry, j);
	make_spare(j);
	return j;
}

void journal_end(struct journal *j)
{
	j->ended = true;
	loop_timer_clear(j->setup.loop, &j->quiet);
	loop_timer_clear(j->setup.loop, &j->retry);
	close_current(j);
	if (j->spare)
		segment_discard(j->spare);
	j->spare = NULL;
}

static void list_free(struct list *list)
{
	struct submission *s;

	while ((s = list_take(list)))
		submission_free(s);
}

void journal_free(struct journal *j)
{
	if (!j)
		return;
	loop_timer_clear(j->setup.loop, &j->quiet);
	loop_timer_clear(j->setup.loop, &j->retry);
	list_free(&j->waiting);
	list_free(&j->batch);
	str_free(&j->bytes);
	str_free(&j->received);
	free(j);
}
