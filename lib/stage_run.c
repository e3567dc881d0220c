/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The stage while it runs: readiness, signals, the end, and the log's lines that must wait. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include "clock.h"
#include "memory.h"
#include "stage_internal.h"

#define PATIENCE (20 * CLOCK_SECOND)	/* from TERM to leaving; supervisors wait longer */
#define LOG_PAUSE CLOCK_SECOND		/* between attempts at a log that cannot be watched (a full disk, a reader that is gone) */

#define REST CLOCK_SECOND		/* without work, until memory is given back */

/* systemd's readiness protocol (sd_notify(3)): datagrams to the socket that NOTIFY_SOCKET names, a path or, behind an @, an abstract name. */
void
stage_run_find_notify(struct stage *stage)
{
	const char *name = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (name == NULL || (name[0] != '/' && name[0] != '@') || name[1] == 0)
		return;
	size_t len = strlen(name);
	if (len >= sizeof address.sun_path)
		return;
	memcpy(address.sun_path, name, len);
	if (name[0] == '@')
		address.sun_path[0] = 0;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return;
	if (connect(fd, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) == 0) {
		stage->notify_socket = fd;
	} else {
		log_errno(stage->log, "NOTIFY_SOCKET: connect: %s", name);
		close(fd);
	}
}

static void
tell_supervisor(struct stage *stage, const char *text)
{
	if (stage->notify_socket != -1 && write(stage->notify_socket, text, strlen(text)) == -1)
		log_errno(stage->log, "NOTIFY_SOCKET: write");
}

void
stage_run_ready(struct stage *stage)
{
	tell_supervisor(stage, "READY=1");
	if (stage->notify_fd == -1)
		return;
	if (write(stage->notify_fd, "\n", 1) != 1)
		log_errno(stage->log, "--notify-fd %d: write", stage->notify_fd);
	close(stage->notify_fd);
	stage->notify_fd = -1;
}

void
stage_finish(struct stage *stage, int status)
{
	if (stage->finished)
		return;
	stage->finished = true;
	stage->status = status;
	if (stage->loop != NULL)
		loop_stop(stage->loop);
}

static void
out_of_patience(void *arg)
{
	struct stage *stage = arg;
	log_event(stage->log, "stop", "not done in %d s; leaving, what is unclear is repeated later", (int)(PATIENCE / CLOCK_SECOND));
	stage_finish(stage, 0);
}

static void
stop(struct stage *stage, const char *signal)
{
	struct log_line line;
	log_begin(&line, stage->log, "stop");
	log_word(&line, "signal", signal);
	log_end(&line);
	if (stage->draining) {
		stage_finish(stage, 0);
		return;
	}
	stage->draining = true;
	tell_supervisor(stage, "STOPPING=1");
	/* without a timer there is no patience to run out of: better leave now than perhaps never */
	if (stage->program->drain == NULL || loop_timer_set(stage->loop, &stage->patience, clock_boot() + PATIENCE) != 0)
		stage_finish(stage, 0);
	else
		stage->program->drain(stage->self, stage);
}

static void on_term(void *arg) { stop(arg, "TERM"); }
static void on_int(void *arg) { stop(arg, "INT"); }

/* A second HUP asks for nothing that the first did not. */
static void
on_hup(void *arg)
{
	struct stage *stage = arg;
	if (!stage->draining)
		stop(stage, "HUP");
}

int
stage_run_signals(struct stage *stage)
{
	static const struct { int signal; loop_fn *fn; } signals[] = { { SIGTERM, on_term }, { SIGINT, on_int }, { SIGHUP, on_hup } };
	for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
		if (loop_signal(stage->loop, signals[i].signal, signals[i].fn, stage) != 0)
			return -1;
	return 0;
}

static void retry_log(void *arg);

/* A sink that hung up would wake the loop without end: it is left to the timer. */
static void
log_is_writable(void *arg, unsigned events)
{
	struct stage *stage = arg;
	log_retry(stage->log);
	if (!log_waiting(stage->log) || (events & LOOP_HANGUP) != 0) {
		loop_unwatch(stage->log_watch);
		stage->log_watch = NULL;
		if (log_waiting(stage->log))
			loop_timer_set(stage->loop, &stage->log_timer, loop_now(stage->loop) + LOG_PAUSE);
	}
}

static void
wait_for_log(struct stage *stage)
{
	if (stage->log_watch != NULL || loop_timer_is_set(&stage->log_timer))
		return;
	if (loop_watch(stage->loop, log_fd(stage->log), LOOP_WRITE, log_is_writable, stage, &stage->log_watch) != 0) {
		stage->log_watch = NULL;
		loop_timer_set(stage->loop, &stage->log_timer, loop_now(stage->loop) + LOG_PAUSE);
	}
}

static void
retry_log(void *arg)
{
	struct stage *stage = arg;
	log_retry(stage->log);
	if (log_waiting(stage->log))
		wait_for_log(stage);
}

/* What a burst of mail took is freed in pieces, between what stays: it is worth a look when the burst is over. */
static void
rest(void *arg)
{
	struct stage *stage = arg;
	uint64_t due = stage->worked + REST;
	stage->resting = true;
	if (loop_now(stage->loop) < due)
		loop_timer_set(stage->loop, &stage->rest, due);
	else {
		if (stage->program->rest != NULL)
			stage->program->rest(stage->self);
		memory_give_back();
	}
}

static bool
note_work(void *arg)
{
	struct stage *stage = arg;
	if (!stage->resting) {
		stage->worked = loop_now(stage->loop);
		if (!loop_timer_is_set(&stage->rest))
			loop_timer_set(stage->loop, &stage->rest, stage->worked + REST);
	}
	stage->resting = false;
	return false;
}

/* A turn's lines leave together, in as few writes as the pipe allows. */
static bool
write_log(void *arg)
{
	struct stage *stage = arg;
	if (log_waiting(stage->log) && stage->log_watch == NULL && !loop_timer_is_set(&stage->log_timer))
		retry_log(stage);
	return false;
}

int
stage_run_loop(struct stage *stage)
{
	if (stage->finished)
		return 0;
	/* the last hook, behind those that start has added: what they log leaves in the same turn */
	if (loop_turn(stage->loop, note_work, stage) != 0 || loop_turn(stage->loop, write_log, stage) != 0) {
		str_printf(&stage->error, "loop: %s", strerror(errno));
		return EX_OSERR;
	}
	loop_timer_init(&stage->log_timer, retry_log, stage);
	loop_timer_init(&stage->patience, out_of_patience, stage);
	loop_timer_init(&stage->rest, rest, stage);
	log_batch(stage->log, true);
	int result = loop_run(stage->loop);
	int why = errno;
	log_batch(stage->log, false);
	loop_unwatch(stage->log_watch);
	stage->log_watch = NULL;
	loop_timer_clear(stage->loop, &stage->log_timer);
	loop_timer_clear(stage->loop, &stage->patience);
	loop_timer_clear(stage->loop, &stage->rest);
	if (result == 0)
		return 0;
	str_cut(&stage->error, 0);
	str_printf(&stage->error, "loop: %s", strerror(why));
	return EX_OSERR;
}
