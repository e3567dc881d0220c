/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "process.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

#define PIECE (64U * 1024)
#define PIECES_A_TURN 8

struct process {
	struct loop *loop;
	struct keeper *keeper;
	const struct deliver_job *job;
	process_fn *fn;
	void *arg;
	uint32_t handle;
	bool started;
	int input, output;		/* -1: closed */
	struct loop_watch *input_watch, *output_watch;
	struct loop_timer timer;
	struct str waiting;		/* what is to be written next */
	size_t written;			/* of it */
	uint64_t at;			/* bytes of the message taken */
	uint64_t time;
	uint64_t output_left;
	bool too_long, too_much, asked;	/* asked to end, by SIGTERM */
	int broken;			/* an errno: it was ended because of trouble of ours */
	struct str line, partial;	/* the last whole line, and what followed it */
};

static void close_end(int *fd, struct loop_watch **watch)
{
	loop_unwatch(*watch);
	*watch = NULL;
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void process_free(struct process *process)
{
	close_end(&process->input, &process->input_watch);
	close_end(&process->output, &process->output_watch);
	loop_timer_clear(process->loop, &process->timer);
	str_free(&process->waiting);
	str_free(&process->line);
	str_free(&process->partial);
	free(process);
}

static void end(struct process *process, struct process_end *result)
{
	process_fn *fn = process->fn;
	void *arg = process->arg;

	if (!result->error)
		result->error = process->broken;
	result->too_long = process->too_long;
	result->too_much = process->too_much;
	result->line = span_trim(str_span(process->partial.len ? &process->partial : &process->line));
	fn(arg, result);
	process_free(process);
}

/* First it is asked, then it is not. */
static void stop(struct process *process)
{
	keeper_kill(process->keeper, process->handle, process->asked ? SIGKILL : SIGTERM);
	if (!process->asked)
		loop_timer_set(process->loop, &process->timer, clock_boot() + PROCESS_GRACE);
	process->asked = true;
}

/* It has not got all of its message, and must not take what it has for all. */
static void end_now(struct process *process, int error)
{
	process->broken = error;
	process->asked = true;
	stop(process);
}

static void time_is_over(void *arg)
{
	struct process *process = arg;

	if (!process->asked)
		process->too_long = true;
	stop(process);
}

/* ---- what it says ---- */

/* Of a line that is longer its begin is kept. */
static void keep_line(struct process *process, const char *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (bytes[i] != '\n' && bytes[i] != '\r') {
			str_add_char(&process->partial, bytes[i]);
			continue;
		}
		if (span_trim(str_span(&process->partial)).len) {
			str_cut(&process->line, 0);
			str_add_span(&process->line, str_span(&process->partial));
		}
		str_cut(&process->partial, 0);
	}
}

static void read_output(struct process *process)
{
	char piece[16384];
	ssize_t got = 1;

	for (unsigned i = 0; i < PIECES_A_TURN && process->output >= 0 && got > 0; i++) {
		got = read(process->output, piece, sizeof piece);
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (got <= 0) {
			close_end(&process->output, &process->output_watch);
			return;
		}
		if ((uint64_t)got > process->output_left) {
			process->too_much = true;
			close_end(&process->output, &process->output_watch);
			stop(process);
			return;
		}
		process->output_left -= (uint64_t)got;
		keep_line(process, piece, (size_t)got);
	}
}

static void output_ready(void *arg, unsigned events)
{
	(void)events;
	read_output(arg);
}

/* ---- what it is told ---- */

/* 1: there is something to write; 0: all was written; -1: the message cannot be read. */
static int refill(struct process *process)
{
	ssize_t got;

	if (process->written < process->waiting.len)
		return 1;
	str_cut(&process->waiting, 0);
	process->written = 0;
	if (str_reserve(&process->waiting, PIECE) < 0)
		return -1;
	got = deliver_job_read(process->job, process->at, process->waiting.data, PIECE);
	if (got <= 0)
		return (int)got;
	process->waiting.len = (size_t)got;
	process->at += (size_t)got;
	return 1;
}

/* One that does not want to know all of it ends as it likes: its status says what became of the message.  A message that cannot be
 * read to its end must not look whole. */
static void input_ready(void *arg, unsigned events)
{
	struct process *process = arg;
	int more = 1;

	(void)events;
	for (unsigned i = 0; i < PIECES_A_TURN && (more = refill(process)) > 0; i++) {
		ssize_t n = write(process->input, process->waiting.data + process->written, process->waiting.len - process->written);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0)
			more = 0;
		if (n < 0)
			break;
		process->written += (size_t)n;
	}
	if (more < 0)
		end_now(process, errno);
	if (more <= 0)
		close_end(&process->input, &process->input_watch);
}

/* ---- its begin and its end ---- */

static void started(void *arg, const struct keeper_process *made, int error)
{
	struct process *process = arg;

	if (error) {
		end(process, &(struct process_end){ .error = error });
		return;
	}
	process->handle = made->handle;
	process->input = made->input;
	process->output = made->output;
	process->started = true;
	if (loop_watch(process->loop, process->input, LOOP_WRITE, input_ready, process, &process->input_watch) < 0 ||
	    loop_watch(process->loop, process->output, LOOP_READ, output_ready, process, &process->output_watch) < 0 ||
	    loop_timer_set(process->loop, &process->timer, clock_boot() + process->time) < 0)
		end_now(process, errno);
}

/* Children of its own may hold its output open: what is there now is all that counts. */
static void ended(void *arg, uint32_t handle, int status)
{
	struct process *process = arg;

	(void)handle;
	read_output(process);
	end(process, &(struct process_end){ .status = status });
}

struct process *process_new(const struct process_start *start, process_fn *fn, void *arg)
{
	struct process *process = calloc(1, sizeof *process);
	int result = -1, error = ENOMEM;

	if (process) {
		*process = (struct process){
			.loop = start->loop, .keeper = start->keeper, .job = start->job, .fn = fn, .arg = arg, .input = -1, .output = -1,
			.time = start->time, .output_left = start->output, .line = STR_INIT(PROCESS_LINE_MAX), .partial = STR_INIT(PROCESS_LINE_MAX),
			.waiting = *start->before,
		};
		if (process->waiting.max < PIECE)
			process->waiting.max = PIECE;
		loop_timer_init(&process->timer, time_is_over, process);
		result = start->user ? keeper_become(start->keeper, start->index, start->user, start->env, started, ended, process) :
		    keeper_run(start->keeper, start->index, start->env, started, ended, process);
		error = errno;
	} else {
		str_free(start->before);
	}
	*start->before = (struct str)STR_INIT(0);
	if (!result)
		return process;
	if (process)
		process_free(process);
	errno = error;
	return NULL;
}
