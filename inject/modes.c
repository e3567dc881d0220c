/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "modes.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "address.h"
#include "ctrl.h"
#include "frame.h"
#include "qualify.h"
#include "submit.h"

#ifndef SBINDIR
#define SBINDIR "/usr/local/sbin"
#endif

#define PATH_BYTES 4096
#define ANSWER_WAIT (UINT64_C(60) * 1000000)

/* Another program of ours: where this one stands (it may be reached by a link), else where it is installed. */
static void become(const char *program, char **argv)
{
	struct str path = STR_INIT(2 * PATH_BYTES);
	char self[PATH_BYTES];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	char *slash;

	signal(SIGPIPE, SIG_DFL);	/* main ignores them */
	signal(SIGXFSZ, SIG_DFL);
	if (n > 0) {
		self[n] = '\0';
		slash = strrchr(self, '/');
		if (slash && str_append(&path, self, (size_t)(slash + 1 - self)) == 0 && str_add(&path, program) == 0)
			execv(path.data, argv);
	}
	str_cut(&path, 0);
	if (str_printf(&path, "%s/%s", SBINDIR, program) >= 0)
		execv(path.data, argv);
	str_free(&path);
}

int modes_list(const struct options *o, const struct settings *settings, struct str *error)
{
	char name[] = "deaddrop-mailq", admin[] = "--admin";
	char **argv = calloc(o->count + 4, sizeof *argv);
	size_t i;

	if (argv) {
		argv[0] = name;
		argv[1] = admin;
		argv[2] = settings->admin.data;
		for (i = 0; i < o->count; i++)
			argv[3 + i] = o->operands[i];
		become(name, argv);
	}
	str_printf(error, "cannot run deaddrop-mailq beside this program or in %s: %s", SBINDIR, strerror(errno));
	free(argv);
	return EX_UNAVAILABLE;
}

int modes_smtp(const struct options *o, const struct settings *settings, struct str *error)
{
	char name[] = "deaddrop-smtpd", stdio[] = "--stdio", out[] = "--out";
	char *argv[] = { name, stdio, out, settings->socket.data, NULL };

	(void)o;
	become(name, argv);
	str_printf(error, "cannot run deaddrop-smtpd, which speaks SMTP for -bs, beside this program or in %s: %s; "
	    "is it installed? Without it, use -t", SBINDIR, strerror(errno));
	return EX_UNAVAILABLE;
}

struct verify {
	struct str *out;
	bool bad;
};

static int verify(void *arg, struct span address, bool good)
{
	struct verify *v = arg;

	good = good && address.len > 0 && address_is_valid(address, true);
	v->bad = v->bad || !good;
	if (str_add_span(v->out, address) < 0)
		return -1;
	return str_add(v->out, good ? " ... well formed\n" : " ... no address\n");
}

int modes_verify(const struct options *o, const struct settings *settings, struct str *out, struct str *error)
{
	struct verify v = { out, false };
	size_t i;

	for (i = 0; i < o->count; i++)
		if (qualify_addresses(span_of(o->operands[i]), str_span(&settings->name), NULL, verify, &v) < 0) {
			str_printf(error, "out of memory");
			return EX_OSERR;
		}
	if (o->count == 0) {
		str_printf(error, "-bv takes addresses as arguments");
		return EX_USAGE;
	}
	if (!v.bad)
		return 0;
	str_printf(error, "not every argument is an address");
	return EX_NOUSER;
}

/* Reads frames until the answer.  0, or -1 with errno (0: end of file). */
static int read_answer(int fd, struct str *in, struct frame *answer)
{
	enum frame_result r;
	size_t used;
	ssize_t n;

	for (;;) {
		while ((r = frame_take(in->data, in->len, answer, &used)) == FRAME_WHOLE) {
			if (answer->type != 'H')
				return 0;
			str_shift(in, used);
		}
		if (r == FRAME_BAD) {
			errno = EPROTO;
			return -1;
		}
		if (str_reserve(in, 512) < 0)
			return -1;
		do
			n = recv(fd, in->data + in->len, 512, 0);
		while (n < 0 && errno == EINTR);
		if (n <= 0) {
			errno = n == 0 ? ECONNRESET : errno;
			return -1;
		}
		in->len += (size_t)n;
		in->data[in->len] = '\0';
	}
}

static int ask(int fd, const char *id, struct str *in, struct frame *answer)
{
	struct str request = STR_INIT(PATH_BYTES);
	int r = frame_printf(&request, 'H', "inject %d", CTRL_VERSION);

	r |= frame_put(&request, 'T', span_of(id ? id : ""));
	if (r == 0 && send(fd, request.data, request.len, MSG_NOSIGNAL) != (ssize_t)request.len)
		r = -1;
	str_free(&request);
	if (r < 0 || submit_connect_timeout(fd, ANSWER_WAIT) < 0)
		return -1;
	return read_answer(fd, in, answer);
}

int modes_flush(const struct options *o, const struct settings *settings, struct str *out, struct str *error)
{
	struct str in = STR_INIT(2 * FRAME_MAX);
	struct frame answer;
	int fd, code = submit_connect(settings->admin.data, "send", 0, &fd, error);

	if (code != 0)
		return code;
	if (ask(fd, o->flush_id, &in, &answer) < 0) {
		str_printf(error, "no answer from send on %s: %s", settings->admin.data, strerror(errno));
		code = EX_TEMPFAIL;
	} else if (answer.type == 'K') {
		str_add_span(out, answer.value);
		str_add(out, span_is(answer.value, "1") ? " message is tried now\n" : " messages are tried now\n");
	} else {
		str_printf(error, "send says: ");
		str_add_span(error, answer.value);
		code = EX_UNAVAILABLE;
	}
	close(fd);
	str_free(&in);
	return code;
}
