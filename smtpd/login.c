/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "login.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base64.h"
#include "id.h"

#define FILE_SIZE_MAX (1024U * 1024)

struct login_secrets {
	struct str text;
	struct sasl_server_users users;
};

/* ---- the file ---- */

/* Of a user's line: name and what is behind the first colon. */
static bool cut(struct span line, struct span *name, struct span *secret)
{
	const char *colon = memchr(line.data, ':', line.len);

	if (!colon)
		return false;
	*name = (struct span){ line.data, (size_t)(colon - line.data) };
	*secret = span_skip(line, name->len + 1);
	return name->len && secret->len;
}

static bool next(struct span *rest, struct span *line)
{
	if (!span_word(rest, '\n', line))
		return false;
	if (line->len && line->data[line->len - 1] == '\r')
		line->len--;
	return true;
}

static bool lookup(void *arg, struct span user, struct str *secret)
{
	const struct login_secrets *secrets = arg;
	struct span rest = str_span(&secrets->text), line, name, found;

	while (next(&rest, &line))
		if (line.len && line.data[0] != '#' && cut(line, &name, &found) && span_equal(name, user))
			return !str_add_span(secret, found);
	return false;
}

static int read_all(int fd, struct str *text)
{
	ssize_t n;

	do {
		if (str_reserve(text, 4096))
			return -1;
		n = read(fd, text->data + text->len, 4096);
		if (n > 0) {
			text->len += (size_t)n;
			text->data[text->len] = '\0';
		}
	} while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 ? -1 : 0;
}

static int check(const struct login_secrets *secrets, const char *file, struct str *error)
{
	struct span rest = str_span(&secrets->text), line, name, secret;
	unsigned n = 0;

	while (next(&rest, &line)) {
		n++;
		if (!line.len || line.data[0] == '#')
			continue;
		if (!cut(line, &name, &secret) || !(span_starts(secret, "{PLAIN}") || span_starts(secret, "SCRAM-SHA-"))) {
			(void)str_printf(error, "%s:%u: expected NAME:{PLAIN}password or NAME:SCRAM-SHA-256$...", file, n);
			return -1;
		}
	}
	return 0;
}

static int open_file(const char *file, struct str *error)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st)) {
		(void)str_printf(error, "%s: %s", file, strerror(errno));
	} else if (!S_ISREG(st.st_mode)) {
		(void)str_printf(error, "%s: is no regular file", file);
	} else if (st.st_mode & 07) {
		(void)str_printf(error, "%s: has mode %04o: others must not read it; chmod 0600", file, (unsigned)st.st_mode & 07777);
	} else {
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

struct login_secrets *login_secrets_load(const char *file, struct str *error)
{
	struct login_secrets *secrets = calloc(1, sizeof *secrets);
	int fd = open_file(file, error);

	if (!secrets || fd < 0) {
		if (fd >= 0)
			close(fd);
		free(secrets);
		return NULL;
	}
	secrets->text = (struct str)STR_SECRET(FILE_SIZE_MAX);
	secrets->users = (struct sasl_server_users){ .lookup = lookup, .arg = secrets };
	if (read_all(fd, &secrets->text) || id_random(secrets->users.seed, sizeof secrets->users.seed)) {
		(void)str_printf(error, "%s: %s", file, strerror(errno));
	} else if (!check(secrets, file, error)) {
		close(fd);
		return secrets;
	}
	close(fd);
	login_secrets_free(secrets);
	return NULL;
}

void login_secrets_free(struct login_secrets *secrets)
{
	if (!secrets)
		return;
	str_wipe(&secrets->text);
	free(secrets);
}

const struct sasl_server_users *login_secrets_users(const struct login_secrets *secrets)
{
	return &secrets->users;
}

/* ---- a dialogue ---- */

void login_init(struct login *login)
{
	*login = (struct login){ .user = STR_INIT(SASL_SECRET_MAX) };
}

static void end(struct login *login)
{
	sasl_server_free(login->server);
	login->server = NULL;
	login->proven = false;
}

void login_reset(struct login *login)
{
	end(login);
	str_free(&login->user);
}

void login_cancel(struct login *login)
{
	end(login);
}

static void fail(struct login *login, struct engine *e, unsigned code, const char *status, const char *text)
{
	struct engine_answer answer;

	end(login);
	engine_answer_set(&answer, code, status, "%s", text);
	engine_auth_failed(e, &answer);
}

static void challenge(struct login *login, struct engine *e, const struct str *out)
{
	struct str base64 = STR_INIT(2 * SASL_MESSAGE_MAX);

	if (base64_encode(&base64, str_span(out)))
		fail(login, e, 454, "4.7.0", "Out of memory");
	else
		engine_auth_challenge(e, str_span(&base64));
	str_wipe(&base64);
}

static void done(struct login *login, struct engine *e)
{
	end(login);
	engine_auth_done(e);
}

static void step(struct login *login, struct engine *e, bool has_response, struct span response)
{
	struct str out = STR_INIT(SASL_MESSAGE_MAX), error = STR_INIT(SASL_ERROR_MAX);
	enum sasl_result result = sasl_server_step(login->server, has_response, response, &out, &error);

	if (result != SASL_MORE)
		(void)str_set(&login->user, sasl_server_user(login->server));
	if (result == SASL_MORE) {
		challenge(login, e, &out);
	} else if (result != SASL_DONE) {
		fail(login, e, 535, "5.7.8", "Authentication failed");
	} else if (out.len) {
		login->proven = true;
		challenge(login, e, &out);
	} else {
		done(login, e);
	}
	str_wipe(&out);
	str_free(&error);
}

static void decode_and_step(struct login *login, struct engine *e, struct span base64)
{
	struct str bytes = STR_SECRET(SASL_MESSAGE_MAX);

	if (base64_decode(&bytes, base64))
		fail(login, e, 501, "5.5.2", "This is no base64");
	else
		step(login, e, true, str_span(&bytes));
	str_wipe(&bytes);
}

void login_begin(struct login *login, struct engine *e, const struct login_secrets *secrets, struct span mechanism, struct span initial)
{
	const struct sasl_mechanism *found = sasl_find(mechanism);

	login_reset(login);
	login->server = found && secrets ? sasl_server_new(found, &secrets->users, NULL, NULL) : NULL;
	if (!login->server)
		fail(login, e, 454, "4.7.0", "Authentication is not possible now");
	else if (!initial.data)
		step(login, e, false, span_of(""));
	else if (span_is(initial, "="))
		step(login, e, true, span_of(""));
	else
		decode_and_step(login, e, initial);
}

void login_line(struct login *login, struct engine *e, struct span line)
{
	if (!login->server)
		fail(login, e, 454, "4.7.0", "Authentication is not possible now");
	else if (!login->proven)
		decode_and_step(login, e, line);
	else if (line.len)
		fail(login, e, 501, "5.5.2", "An empty line was expected");
	else
		done(login, e);
}
