/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sysexits.h>
#include <unistd.h>

#include "clock.h"
#include "place.h"
#include "send.h"

#define RESCAN (30 * CLOCK_SECOND)
#define RESCAN_ONCE (CLOCK_SECOND / 5)
#define DRAIN (15 * CLOCK_SECOND)
#define BY_HAND_WAIT (2 * CLOCK_SECOND)		/* --once: for deliverers that are away */

static void rescan(void *arg);
static void drain_limit(void *arg);
static void mark_again(void *arg);

void *
send_create(void)
{
	struct send *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->spool_path = ".";
	s->in_flight_max = 1000;
	s->journal_wait = 3600 * CLOCK_SECOND;
	s->job_timeout = 15 * 60 * CLOCK_SECOND;
	s->lock_fd = -1;
	s->spool = (struct spool){ .dir = { -1, -1, -1, -1 } };
	for (size_t i = 0; i < SPOOL_PLACES; i++)
		s->paths[i] = (struct str)STR_INIT(4096);
	loop_timer_init(&s->rescan, rescan, s);
	loop_timer_init(&s->drain_limit, drain_limit, s);
	loop_timer_init(&s->mark_again, mark_again, s);
	config_init(&s->config);
	window_init(&s->window);
	replay_init(&s->replay);
	reader_init(&s->reader);
	outcomes_init(s);
	move_init(s);
	removal_init(s);
	earlier_init(s);
	drops_init(s);
	outages_init(s);
	bounces_init(s);
	admin_init(s);
	status_init(s);
	s->status_path = (struct str)STR_INIT(4096);
	deferred_init(s);
	schedule_init(s);
	return s;
}

/* The loop outlives what its timers stand in. */
static void
clear_timers(struct send *s)
{
	struct loop_timer *const timers[] = { &s->rescan, &s->drain_limit, &s->mark_again, &s->outcomes.sync, &s->outcomes.again,
		&s->schedule.timer, &s->deferred.again, &s->mover.tick, &s->removal.tick };

	for (size_t i = 0; i < sizeof(timers) / sizeof(timers[0]); i++)
		if (loop_timer_is_set(timers[i]))
			loop_timer_clear(s->loop, timers[i]);
}

void
send_destroy(void *self)
{
	struct send *s = self;

	clear_timers(s);
	earlier_free(s);
	outages_free(s);
	status_stop(s);
	str_free(&s->status_path);
	place_drop_ahead(s, &s->mover.ahead);
	channels_free(s);
	drops_free(s);
	bounces_free(s);
	deferred_free(s);
	schedule_free(s);
	if (s->files.buckets != NULL)
		files_free(&s->files);
	table_free(&s->table);
	reader_free(&s->reader);
	replay_free(&s->replay);
	window_free(&s->window);
	config_free(&s->config);
	free(s->explain.addresses);
	for (size_t i = 0; i < SPOOL_PLACES; i++)
		str_free(&s->paths[i]);
	if (s->lock_fd >= 0) {
		close(s->lock_fd);
		spool_close(&s->spool);
	}
	free(s);
}

bool
send_has_room(const struct send *s)
{
	return s->flying < s->in_flight_max && s->flying_bytes < SEND_BYTES_MAX;
}

bool
send_mark_covers(struct send *s, uint64_t usec)
{
	if (s->earlier.passing || (s->earlier.written && usec <= s->mark.value))
		return usec <= s->mark.value;
	if (s->mark_failed)
		return false;
	if (earlier_write(s) == 0 && mark_cover(&s->mark, usec, clock_wall()) == 0)
		return true;
	log_errno(s->log, "write outcome/%s", s->earlier.written ? "mark" : "config");
	s->mark_failed = true;
	loop_timer_set(s->loop, &s->mark_again, loop_now(s->loop) + CLOCK_SECOND);
	return false;
}

static void
mark_again(void *arg)
{
	struct send *s = arg;

	s->mark_failed = false;
}

int
send_file_lines(struct send *s, struct file *f, uint32_t index, struct str *lines)
{
	int fd;

	/* The index is of the file as it was; lines that were added since make it stale. */
	if (s->replay_file != f || s->replay_lines != f->lines) {
		replay_free(&s->replay);
		s->replay_file = NULL;
		if (outcomes_flush(s, f) < 0)
			return -1;
		fd = file_open_outcomes(&s->files, f, false);
		if (fd < 0 ? errno != ENOENT : replay_load(&s->replay, fd, file_name(f)) < 0)
			return -1;
		s->replay_file = f;
		s->replay_lines = f->lines;
	}
	return replay_lines(&s->replay, index, lines);
}

void
send_forget_lines(struct send *s, const struct file *f)
{
	if (s->replay_file != f)
		return;
	replay_free(&s->replay);
	s->replay_file = NULL;
}

/* Files that are new, or may have grown unannounced. */
static int
scan(struct send *s, bool old)
{
	uint64_t now = loop_now(s->loop);
	struct id *ids;
	size_t count;

	if (spool_names(&s->spool, SPOOL_JOURNAL, &ids, &count) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct file *f = files_get(&s->files, ids[i].name, now);

		if (f == NULL)
			break;
		f->old |= old;
		reader_look(s, f);
		removal_want(s, f);
	}
	free(ids);
	return 0;
}

void
send_rescan(struct send *s)
{
	if (scan(s, false) < 0)
		log_errno(s->log, "list the journal");
}

static void
rescan(void *arg)
{
	struct send *s = arg;

	send_rescan(s);
	loop_timer_set(s->loop, &s->rescan, loop_now(s->loop) + (s->once ? RESCAN_ONCE : RESCAN));
}

static void
leave(struct send *s, int status)
{
	flight_give_up(s);
	deferred_write(s);
	outcomes_turn(s);
	outcomes_sync_all(s);
	while (removal_run(s) > 0)
		;
	outages_write(s);
	send_settle_mark(s);
	stage_finish(s->stage, status);
}

static void
drain_limit(void *arg)
{
	leave(arg, EX_OK);
}

/* --once: whether all that could be done is done. */
static bool
is_through(struct send *s)
{
	bool waited = loop_now(s->loop) - s->started >= BY_HAND_WAIT;

	if (s->flying > 0 || !channels_idle(s) || !drops_idle(s) || (!reader_is_idle(s) && !waited) || s->mover.due)
		return false;
	if (channels_queued(s) + drops_queued(s) > 0 && !waited)
		return false;
	return deferred_is_idle(s) || (waited && s->deferred.blocked);
}

static bool
finish_once(struct send *s)
{
	if (!is_through(s))
		return false;
	leave(s, s->put_off || channels_queued(s) + drops_queued(s) > 0 || !reader_is_idle(s) ? EX_TEMPFAIL : EX_OK);
	return true;
}

static bool
turn(void *arg)
{
	struct send *s = arg;
	bool more;

	earlier_turn(s);
	more = channels_pump(s);
	more |= drops_pump(s);
	more |= reader_turn(s);
	channels_flush(s);
	deferred_write(s);
	more |= deferred_turn(s);
	channels_flush(s);
	more |= move_turn(s);
	outcomes_turn(s);
	outages_turn(s);
	more |= admin_turn(s);
	if (s->draining && s->flying == 0) {
		leave(s, EX_OK);
		return false;
	}
	if (s->once && !more && !s->draining && finish_once(s))
		return false;
	return more;
}

/* Only one send may work on a spool. */
static int
lock_spool(struct send *s, struct str *error)
{
	s->lock_fd = openat(s->spool.dir[SPOOL_OUTCOME], "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0660);
	if (s->lock_fd >= 0 && flock(s->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return EX_OK;
	str_printf(error, "%s/outcome/lock: %s", s->spool_path,
	    errno == EWOULDBLOCK ? "another send runs on this spool" : strerror(errno));
	return EX_TEMPFAIL;
}

static int
listen_all(struct send *s, struct str *error)
{
	const struct stage_socket *in;

	for (size_t n = 0; (in = stage_in(s->stage, n)) != NULL; n++) {
		const char *slash = strrchr(in->path, '/');
		bool is_admin = strcmp(slash != NULL ? slash + 1 : in->path, "admin.ctrl") == 0;

		if ((is_admin ? admin_listen(s, in->fd) : announce_listen(s, in->fd)) < 0) {
			str_printf(error, "%s: one socket too many", in->path);
			return EX_USAGE;
		}
	}
	return EX_OK;
}

static int
open_spool(struct send *s, struct str *error)
{
	int status;

	if (spool_open(&s->spool, s->spool_path, error) < 0)
		return EX_NOINPUT;
	status = lock_spool(s, error);
	if (status != EX_OK)
		return status;
	if (files_init(&s->files, &s->spool) < 0 || mark_open(&s->mark, s->spool.dir[SPOOL_OUTCOME]) < 0) {
		str_printf(error, "%s/outcome/mark: %s", s->spool_path, strerror(errno));
		return EX_IOERR;
	}
	earlier_open(s);
	if (place_clean(s, SPOOL_OUTCOME) < 0 || deferred_start(s, error) < 0)
		return EX_IOERR;
	/* Outcomes may only be judged orphans when the journal is known. */
	if (scan(s, true) < 0 || removal_clean(s) < 0) {
		str_printf(error, "%s/journal: %s", s->spool_path, strerror(errno));
		return EX_IOERR;
	}
	return EX_OK;
}

/* A pattern was cut off, so its route or filter did not apply. */
static void
log_limit(void *arg, const char *file, unsigned line, const char *what, struct span value)
{
	struct send *s = arg;
	struct log_line log;

	log_begin(&log, s->log, what);
	if (file != NULL)
		log_word(&log, "file", file);
	log_num(&log, "line", line);
	log_str(&log, "subject", (struct span){ value.data, value.len < 100 ? value.len : 100 });
	log_text(&log, span_of("a pattern took too long for this, or made too much of it, and was passed over"));
	log_end(&log);
}

int
send_start(void *self, struct stage *stage, struct str *error)
{
	struct send *s = self;
	int status;

	s->stage = stage;
	s->loop = stage_loop(stage);
	s->log = stage_log(stage);
	s->hub = stage_hub(stage);
	s->once = stage_once(stage);
	s->started = loop_now(s->loop);
	s->watch = (struct plan_trace){ log_limit, s };
	s->config.plan.watch = &s->watch;
	status = open_spool(s, error);
	if (status != EX_OK)
		return status;
	if (channels_start(s, error) < 0)
		return EX_USAGE;
	if (drops_start(s) < 0) {
		str_printf(error, "no memory");
		return EX_OSERR;
	}
	outages_load(s);
	status = listen_all(s, error);
	if (status != EX_OK)
		return status;
	status_start(s);
	if (loop_turn(s->loop, turn, s) < 0 || loop_timer_set(s->loop, &s->rescan, loop_now(s->loop) + (s->once ? RESCAN_ONCE : RESCAN)) < 0) {
		str_printf(error, "the loop: %s", strerror(errno));
		return EX_OSERR;
	}
	return EX_OK;
}

/* What was read ahead is read again when there is work. */
void
send_rest(void *self)
{
	struct send *s = self;

	window_free(&s->window);
	window_free(&s->reader.window);
}

void
send_drain(void *self, struct stage *stage)
{
	struct send *s = self;

	(void)stage;
	s->draining = true;
	announce_close(s);
	admin_close(s);
	loop_timer_set(s->loop, &s->drain_limit, clock_boot() + DRAIN);
}
