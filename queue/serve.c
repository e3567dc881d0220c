/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "serve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "announce.h"
#include "answer.h"
#include "clock.h"
#include "host.h"
#include "scan.h"

#define KEYS_MOST 200000U
#define ONCE_PATIENCE (30 * CLOCK_SECOND)
#define SPARE_FILES 128U		/* descriptors beside connections and journal files */
#define PATH_LEN_MAX 4096

struct serve {
	struct limits limits;
	struct str spool;		/* as given */
	struct str journal_path;	/* as seen from inside */
	struct str host;
	struct stage *stage;
	int dir, lock;
	struct commit *committer;	/* small messages' commits */
	struct commit *maker;		/* making and finishing files */
	struct commit *syncer;		/* large messages */
	struct segment_set segments;
	struct journal *journal;
	struct announce *announce;
	struct intake intake;
	bool started;			/* the timers are set */
	bool leaving;
	uint64_t quiet_since;		/* with --once: boot time since which nobody is connected */
	uint64_t unasked_from;		/* boot time from which on nobody asks for keys of before our start */
	struct loop_timer unasked, once;
};

/* ---- what the parts tell each other ---- */

static void trouble(void *arg, const char *what, int error)
{
	struct intake *intake = arg;

	errno = error;
	log_errno(intake->log, "%s", what);
}

static const struct journal_ops journal_ops = { .settled = answer_settled, .committed = answer_committed, .trouble = trouble };

static void told(void *arg, const struct segment *segment)
{
	struct serve *serve = arg;

	announce_committed(serve->announce, segment->name, segment->length);
}

static void finished(void *arg, struct id_name name, uint64_t length)
{
	struct serve *serve = arg;

	announce_ended(serve->announce, name, length);
}

/* Files without an end mark that are older than any of ours that matters may go. */
static void say_unasked(void *arg)
{
	struct serve *serve = arg;

	if (clock_boot() >= serve->unasked_from)
		announce_unasked(serve->announce, segment_oldest(&serve->segments));
}

/* send is there again: what was announced meanwhile was lost, and it acts on nothing of a file that we hold but what it was told. */
static void greet(void *arg)
{
	struct serve *serve = arg;

	for (const struct segment *s = serve->segments.first; s; s = s->next)
		if (s->length)
			announce_committed(serve->announce, s->name, s->length);
	say_unasked(serve);
}

static void failed(void *arg, struct id_name name, int error)
{
	struct serve *serve = arg;
	char text[ID_NAME_LEN + 1];

	id_name_text(name, text);
	errno = error;
	log_errno(stage_log(serve->stage), "finish journal file: %s", text);
}

static const struct segment_ops segment_ops = { .finished = finished, .expired = say_unasked, .failed = failed };

/* ---- options, and what is done as root ---- */

void *serve_create(void)
{
	struct serve *serve = calloc(1, sizeof *serve);

	if (!serve)
		return NULL;
	limits_init(&serve->limits);
	serve->spool = (struct str)STR_INIT(PATH_LEN_MAX);
	serve->journal_path = (struct str)STR_INIT(PATH_LEN_MAX);
	serve->host = (struct str)STR_INIT(RECEIVED_HOST_MAX);
	serve->dir = serve->lock = -1;
	return serve;
}

int serve_option(void *self, struct stage *stage, const char *name, const char *value, struct str *error)
{
	struct serve *serve = self;
	int result = limits_option(&serve->limits, name, value, error);

	(void)stage;
	if (result <= 0)
		return result;
	if (!value[0]) {
		(void)str_printf(error, "--%s: a value is expected", name);
		return -1;
	}
	return str_set(strcmp(name, "spool") ? &serve->host : &serve->spool, span_of(value));
}

static int find_journal(struct serve *serve, const char *root, struct str *error)
{
	const char *path = serve->spool.len ? serve->spool.data : root ? root : ".";
	const char *inside = jail_inside(root, path);

	if (!inside) {
		(void)str_printf(error, "--spool %s: lies outside of --chroot %s", path, root);
		return EX_CONFIG;
	}
	if (str_printf(&serve->journal_path, "%s%sjournal", inside, inside[0] && inside[strlen(inside) - 1] == '/' ? "" : "/"))
		return EX_OSERR;
	return 0;
}

int serve_prepare(void *self, struct stage *stage, struct str *error)
{
	struct serve *serve = self;
	struct jail *jail = stage_jail(stage);
	int status = find_journal(serve, jail->root, error);

	if (status)
		return status;
	if (!serve->host.len && host_mail_name(&serve->host)) {
		(void)str_add(error, "cannot find out the host's mail name; give --name");
		return EX_OSERR;
	}
	if (!stage_in(stage, 0) && !stage_checking(stage)) {
		(void)str_add(error, "no --in or --in-trust: nothing to listen on");
		return EX_USAGE;
	}
	jail->max_files = serve->limits.connections * 2 + SEGMENT_OPEN_MAX + LIMITS_STREAMS + SPARE_FILES;
	return sandbox_allow(stage_sandbox(stage), serve->journal_path.data, SANDBOX_READ | SANDBOX_WRITE) ? EX_OSERR : 0;
}

/* ---- the start ---- */

static int scan(struct serve *serve, struct keys *keys, uint64_t *newest, struct str *error)
{
	struct scan state = { .keys = keys, .log = stage_log(serve->stage), .now = clock_boot() };
	int status = scan_open(serve->journal_path.data, &serve->dir, &serve->lock, error);

	if (!status)
		status = scan_journal(&state, serve->dir, error);
	*newest = state.newest;
	return status;
}

static int make_parts(struct serve *serve, uint64_t newest)
{
	struct stage *stage = serve->stage;
	struct loop *loop = stage_loop(stage);
	struct intake *intake = &serve->intake;

	serve->committer = commit_new(loop);
	serve->maker = commit_new(loop);
	serve->syncer = commit_new(loop);
	if (!serve->committer || !serve->maker || !serve->syncer)
		return -1;
	segment_set_init(&serve->segments, loop, serve->maker, serve->dir, newest, serve->limits.key_hold, &segment_ops, serve);
	intake->large = (struct large_set){
		.segments = &serve->segments,
		.syncer = serve->syncer,
		.host = str_span(&serve->host),
		.ops = &journal_ops,
		.arg = intake,
	};
	serve->announce = announce_new(loop, stage_hub(stage), stage_log(stage), stage_out(stage, 0), greet, serve);
	intake->journal = serve->journal = journal_new(&(struct journal_setup){
		.loop = loop,
		.committer = serve->committer,
		.segments = &serve->segments,
		.host = str_span(&serve->host),
		.idle_close = serve->limits.idle_close,
		.ops = &journal_ops,
		.arg = intake,
	});
	return serve->announce && serve->journal ? 0 : -1;
}

static int listen_all(struct serve *serve)
{
	const struct stage_socket *in;

	for (size_t i = 0; (in = stage_in(serve->stage, i)); i++)
		if (intake_open(&serve->intake, in->fd, in->trusted))
			return -1;
	return 0;
}

/* ---- the end ---- */

static void leave(struct serve *serve)
{
	if (serve->leaving)
		return;
	serve->leaving = true;
	intake_drain(&serve->intake);
}

/* True when all is done. */
static bool has_left(struct serve *serve)
{
	struct intake *intake = &serve->intake;

	if (intake->pending || intake->connected || !journal_idle(serve->journal) || !large_idle(&intake->large))
		return false;
	journal_end(serve->journal);
	return segment_set_settle(&serve->segments);
}

static void look_at_end(void *arg)
{
	struct serve *serve = arg;

	/* the turn's hooks do it; without this one nothing might wake the loop */
	(void)loop_timer_set(stage_loop(serve->stage), &serve->once, clock_boot() + CLOCK_SECOND / 20);
}

/* --once: until everybody who came has gone, or nobody comes. */
static bool once_is_over(struct serve *serve)
{
	uint64_t now = loop_now(stage_loop(serve->stage));

	if (serve->intake.connected) {
		serve->quiet_since = now;
		return false;
	}
	return serve->intake.served || now - serve->quiet_since >= ONCE_PATIENCE;
}

static bool turn(void *arg)
{
	struct serve *serve = arg;

	intake_turn(&serve->intake);
	journal_turn(serve->journal);
	if (stage_once(serve->stage) && !serve->leaving && once_is_over(serve))
		leave(serve);
	if (!serve->leaving)
		return false;
	if (has_left(serve))
		stage_finish(serve->stage, 0);
	else if (!loop_timer_is_set(&serve->once))
		look_at_end(serve);
	return false;
}

void serve_drain(void *self, struct stage *stage)
{
	(void)stage;
	leave(self);
}

static void set_timers(struct serve *serve)
{
	struct loop *loop = stage_loop(serve->stage);

	serve->started = true;
	serve->unasked_from = clock_boot() + serve->limits.key_hold;
	loop_timer_init(&serve->unasked, say_unasked, serve);
	(void)loop_timer_set(loop, &serve->unasked, serve->unasked_from);
	serve->quiet_since = clock_boot();
	loop_timer_init(&serve->once, look_at_end, serve);
	if (stage_once(serve->stage))
		look_at_end(serve);
}

int serve_start(void *self, struct stage *stage, struct str *error)
{
	struct serve *serve = self;
	struct intake *intake = &serve->intake;
	uint64_t newest = 0;
	int status;

	serve->stage = stage;
	intake->keys = keys_new(KEYS_MOST, serve->limits.key_hold);
	if (!intake->keys) {
		(void)str_printf(error, "keys: %s", strerror(errno));
		return EX_OSERR;
	}
	status = scan(serve, intake->keys, &newest, error);
	if (status)
		return status;
	intake->loop = stage_loop(stage);
	intake->hub = stage_hub(stage);
	intake->log = stage_log(stage);
	intake->limits = &serve->limits;
	intake->told = told;
	intake->told_arg = serve;
	limits_space_init(&intake->space, serve->dir);
	if (make_parts(serve, newest) || loop_turn(intake->loop, turn, serve) || listen_all(serve)) {
		(void)str_printf(error, "start: %s", strerror(errno));
		return EX_OSERR;
	}
	set_timers(serve);
	return 0;
}

void serve_destroy(void *self)
{
	struct serve *serve = self;

	if (!serve)
		return;
	if (serve->started) {
		loop_timer_clear(stage_loop(serve->stage), &serve->unasked);
		loop_timer_clear(stage_loop(serve->stage), &serve->once);
	}
	/* first the threads, which work on what the rest frees */
	commit_free(serve->committer);
	commit_free(serve->maker);
	commit_free(serve->syncer);
	intake_end(&serve->intake);
	journal_free(serve->journal);
	segment_set_free(&serve->segments);
	announce_free(serve->announce);
	keys_free(serve->intake.keys);
	if (serve->lock >= 0)
		close(serve->lock);
	if (serve->dir >= 0)
		close(serve->dir);
	str_free(&serve->spool);
	str_free(&serve->journal_path);
	str_free(&serve->host);
	free(serve);
}
