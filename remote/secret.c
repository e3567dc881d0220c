/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "secret.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sasl.h"

#define ERROR_MAX 500

struct secret {
	struct loop *loop;
	struct keeper *keeper;
	const char *what;
	secret_fn *fn;			/* NULL: nobody wants it any more */
	void *arg;
	struct str text;
	/* of a command: */
	struct loop_watch *watch;
	int output;			/* -1: closed, or none */
	uint32_t handle;
	bool running;
	bool failed;			/* its output could not be read */
	int status;
};

static void destroy(struct secret *secret)
{
	loop_unwatch(secret->watch);
	if (secret->output >= 0)
		close(secret->output);
	str_wipe(&secret->text);
	free(secret);
}

static void answer(struct secret *secret, const char *problem)
{
	struct str error = STR_INIT(ERROR_MAX);
	const char *end = memchr(secret->text.data, '\n', secret->text.len);

	if (end)
		str_cut(&secret->text, (size_t)(end - secret->text.data));
	while (secret->text.len && secret->text.data[secret->text.len - 1] == '\r')
		str_cut(&secret->text, secret->text.len - 1);
	if (!problem && !secret->text.len)
		problem = "it is empty";
	if (problem)
		(void)str_printf(&error, "%.200s: %s", secret->what, problem);
	if (secret->fn)
		secret->fn(secret->arg, problem ? NULL : &secret->text, error.data);
	str_free(&error);
	destroy(secret);
}

/* Room for all of it at once: growing would leave copies behind.  The count, or -1 with errno. */
static ssize_t read_some(struct secret *secret, int fd)
{
	ssize_t got;

	if (secret->text.len == SASL_MESSAGE_MAX) {
		errno = EMSGSIZE;
		return -1;
	}
	if (str_reserve(&secret->text, SASL_MESSAGE_MAX - secret->text.len) < 0)
		return -1;
	got = read(fd, secret->text.data + secret->text.len, SASL_MESSAGE_MAX - secret->text.len);
	if (got > 0) {
		secret->text.len += (size_t)got;
		secret->text.data[secret->text.len] = '\0';
	}
	return got;
}

static void opened(void *arg, int fd, int error)
{
	struct secret *secret = arg;
	ssize_t got = 0;

	if (fd >= 0) {
		do
			got = read_some(secret, fd);
		while (got > 0);
		error = got < 0 ? errno : 0;
		close(fd);
	}
	answer(secret, error ? strerror(error) : NULL);
}

/* ---- commands ---- */

static void look_at_end(struct secret *secret)
{
	if (secret->running || secret->output >= 0)
		return;
	if (secret->failed)
		answer(secret, "its output cannot be read, or is too long");
	else if (WIFEXITED(secret->status) && !WEXITSTATUS(secret->status))
		answer(secret, NULL);
	else
		answer(secret, "the command failed");
}

static void close_output(struct secret *secret)
{
	loop_unwatch(secret->watch);
	secret->watch = NULL;
	close(secret->output);
	secret->output = -1;
}

static void readable(void *arg, unsigned events)
{
	struct secret *secret = arg;
	ssize_t got = read_some(secret, secret->output);

	(void)events;
	if (got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	secret->failed = got < 0;
	close_output(secret);
	look_at_end(secret);
}

static void ended(void *arg, uint32_t handle, int status)
{
	struct secret *secret = arg;

	(void)handle;
	secret->running = false;
	secret->status = status;
	look_at_end(secret);
}

static void started(void *arg, const struct keeper_process *process, int error)
{
	struct secret *secret = arg;

	if (!process) {
		answer(secret, strerror(error));
		return;
	}
	close(process->input);
	secret->output = process->output;
	secret->handle = process->handle;
	secret->running = true;
	if (secret->fn && !loop_watch(secret->loop, secret->output, LOOP_READ, readable, secret, &secret->watch))
		return;
	secret->failed = true;
	close_output(secret);
	(void)keeper_kill(secret->keeper, secret->handle, SIGTERM);
}

struct secret *secret_fetch(struct loop *loop, struct keeper *keeper, int index, bool command, const char *what, secret_fn *fn, void *arg)
{
	struct secret *secret = calloc(1, sizeof *secret);
	int result;

	if (!secret)
		return NULL;
	*secret = (struct secret){ .loop = loop, .keeper = keeper, .what = what, .fn = fn, .arg = arg, .text = STR_SECRET(SASL_MESSAGE_MAX), .output = -1 };
	result = command ? keeper_run(keeper, index, NULL, started, ended, secret) : keeper_open(keeper, index, opened, secret);
	if (!result)
		return secret;
	free(secret);
	return NULL;
}

/* The keeper still has an answer to give: the object waits for it. */
void secret_cancel(struct secret *secret)
{
	if (!secret)
		return;
	secret->fn = NULL;
	if (secret->running) {
		if (secret->output >= 0)
			close_output(secret);
		secret->failed = true;
		(void)keeper_kill(secret->keeper, secret->handle, SIGTERM);
	}
}
