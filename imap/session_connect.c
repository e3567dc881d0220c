/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From nothing to a stream: the secret, then the name, then the addresses; or a tunnel.  What is outside the jail comes through the keeper, whose answers cannot be
 * called off: a session that has ended meanwhile waits for them. */
#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "session_internal.h"

static void open_connection(struct session *s);

void session_connect_drop(struct session *s)
{
	stream_connect_cancel(s->connect);
	s->connect = NULL;
	loop_unwatch(s->watch);
	s->watch = NULL;
	if (s->watch_fd >= 0)
		close(s->watch_fd);
	s->watch_fd = -1;
}

/* ---- the secret ---- */

static void trim_secret(struct session *s)
{
	while (s->secret.len && (s->secret.data[s->secret.len - 1] == '\n' || s->secret.data[s->secret.len - 1] == '\r'))
		str_cut(&s->secret, s->secret.len - 1);
}

/* True: the end. */
static bool read_secret(struct session *s)
{
	ssize_t got;

	do {
		if (str_reserve(&s->secret, 512) < 0)
			return true;
		got = read(s->watch_fd, s->secret.data + s->secret.len, 512);
		if (got > 0)
			s->secret.len += (size_t)got;
	} while (got > 0 || (got < 0 && errno == EINTR));
	return !got || errno != EAGAIN;
}

static void on_output(void *arg, unsigned events)
{
	struct session *s = arg;

	(void)events;
	if (read_secret(s))
		session_connect_drop(s);
}

static void on_command_started(void *arg, const struct keeper_process *process, int error)
{
	struct session *s = arg;

	if (error) {
		if (!s->gone)
			session_fail(s, "4.3.5", "starting the command for the password or token: %s", strerror(error));
		session_release(s);
		return;
	}
	/* its end will be told too: the session stays until then */
	close(process->input);
	if (s->gone) {
		close(process->output);
		return;
	}
	s->watch_fd = process->output;
	if (loop_watch(s->host->loop, s->watch_fd, LOOP_READ, on_output, s, &s->watch) < 0)
		session_fail(s, "4.3.0", "%s", strerror(errno));
}

static void on_command_ended(void *arg, uint32_t handle, int status)
{
	struct session *s = arg;

	(void)handle;
	if (!s->gone) {
		if (s->watch_fd >= 0)
			read_secret(s);
		session_connect_drop(s);
		trim_secret(s);
		s->login_failed = true;
		if (!WIFEXITED(status) || WEXITSTATUS(status) || !s->secret.len)
			session_fail(s, "4.7.8", "the command for the password or token failed (status %d)", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
		else
			open_connection(s);
		if (!s->gone)
			s->login_failed = false;
	}
	session_release(s);
}

static void on_token_file(void *arg, int fd, int error)
{
	struct session *s = arg;

	if (s->gone) {
		if (fd >= 0)
			close(fd);
	} else if (fd < 0) {
		session_fail(s, "4.7.8", "the token's file: %s", strerror(error));
	} else {
		s->watch_fd = fd;
		read_secret(s);
		session_connect_drop(s);
		trim_secret(s);
		open_connection(s);
	}
	session_release(s);
}

static bool asked(struct session *s, int result)
{
	if (!result)
		return true;
	s->pending--;
	session_fail(s, "4.3.0", "the keeper: %s", strerror(errno));
	return false;
}

/* ---- the connection ---- */

static void on_connected(void *arg, int fd, const struct sockaddr_storage *address, const char *text)
{
	struct session *s = arg;

	s->connect = NULL;
	if (fd < 0) {
		session_fail(s, "4.4.1", "connect: %s", text);
		return;
	}
	if (s->host->verbose && s->host->log) {
		struct str where = STR_INIT(256);

		stream_connect_text(&where, address);
		log_event(s->host->log, "connect", "%s to %s", s->account->name, where.data);
		str_free(&where);
	}
	session_set_stream(s, fd, fd, s->account->tls == ACCOUNT_TLS_IMPLICIT);
}

static void on_names(void *arg, const struct sockaddr_storage *addresses, size_t count, int error)
{
	struct session *s = arg;

	if (s->gone)
		;
	else if (error) {
		session_fail(s, "4.4.3", "%s", gai_strerror(error));
	} else {
		s->connect = stream_connect_new(s->host->loop, addresses, count, on_connected, s);
		if (!s->connect)
			session_fail(s, "4.4.1", "connect: %s", strerror(errno));
	}
	session_release(s);
}

static void on_tunnel_started(void *arg, const struct keeper_process *process, int error)
{
	struct session *s = arg;

	if (error) {
		if (!s->gone)
			session_fail(s, "4.3.5", "starting the tunnel: %s", strerror(error));
		session_release(s);
		return;
	}
	if (s->gone) {
		close(process->input);
		close(process->output);
		return;
	}
	s->tunnel = process->handle;
	s->has_tunnel = true;
	session_set_stream(s, process->output, process->input, s->account->tls == ACCOUNT_TLS_IMPLICIT);
}

static void on_tunnel_ended(void *arg, uint32_t handle, int status)
{
	struct session *s = arg;

	(void)handle;
	(void)status;
	s->has_tunnel = false;
	session_release(s);
}

static void open_connection(struct session *s)
{
	const struct account *account = s->account;

	session_wait(s, NULL, "a connection", SESSION_CONNECT_WAIT);
	s->pending++;
	if (account->tunnel >= 0)
		asked(s, keeper_run(s->host->keeper, account->tunnel, NULL, on_tunnel_started, on_tunnel_ended, s));
	else
		asked(s, keeper_resolve(s->host->keeper, account->host, account->port, on_names, s));
}

void session_connect_begin(struct session *s)
{
	const struct account *account = s->account;
	int command = account->token_command >= 0 ? account->token_command : account->password_command;

	session_wait(s, NULL, "the password or token", SESSION_CONNECT_WAIT);
	if (account->token_file < 0 && command < 0) {
		open_connection(s);
		return;
	}
	s->pending++;
	if (account->token_file >= 0)
		asked(s, keeper_open(s->host->keeper, account->token_file, on_token_file, s));
	else
		asked(s, keeper_run(s->host->keeper, command, NULL, on_command_started, on_command_ended, s));
}
