/* SPDX-License-Identifier: GPL-3.0-or-later */
/* deaddrop-smtpd: takes mail by SMTP or LMTP and hands it to queue.  Options and hooks; see deaddrop-smtpd(8). */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "serve.h"

static const struct stage_option options[] = {
	{ "bind", 0, "ADDRESS", "listen on this address (default: 127.0.0.1, unless the configuration says listen)" },
	{ "port", 0, "NUMBER", "of --bind (default: 25)" },
	{ "listen", 0, "PATH", "listen on this UNIX socket; repeatable" },
	{ "listen-mode", 0, "MODE", "of the --listen before it (default: 0660)" },
	{ "stdio", 0, NULL, "serve the client on standard input: under inetd, tcpserver, systemd, or by hand" },
	{ "mode", 'b', "s", "-bs: the same for a program that runs us; the caller is the authenticated sender" },
	{ "lmtp", 0, NULL, "speak LMTP" },
	{ "name", 0, "HOST", "our name (default: of the configuration, or the host's mail name)" },
	{ "size", 0, "BYTES", "largest message (default: 50M)" },
	{ "timeout", 0, "TIME", "for a command, or between pieces of a message (default: 5m)" },
	{ "wait", 0, "TIME", "for a queue that is away (default: 30s)" },
	{ "verifier", 0, NULL, "read a password, print what the auth file keeps in its place, and exit" },
	{ NULL, 0, NULL, NULL },
};

static const struct stage_program program = {
	.name = "smtpd",
	.synopsis = "  deaddrop-smtpd [--config FILE] [--out SOCKET] [--bind ADDRESS] [--port NUMBER] [OPTION...]\n"
	    "  deaddrop-smtpd --stdio [--config FILE] [--out SOCKET] [OPTION...]\n",
	.summary = "Takes mail by SMTP or LMTP; 250 means that it is on stable storage in the queue.",
	.examples = "  By hand, speaking SMTP with it:\n"
	    "    deaddrop-smtpd --stdio --out queue.ctrl\n"
	    "  Confined, on loopback:\n"
	    "    deaddrop-smtpd --chroot /var/spool/deaddrop/smtpd --user deaddrop-smtpd \\\n"
	    "      --config /etc/deaddrop/smtpd.conf --out /queue.ctrl\n",
	.options = options,
	.needs = SANDBOX_UNIX,
	.has_out = true,
	.has_config = true,
	.buffer_cap = 64 * 1024 * 1024,
	.create = serve_create,
	.destroy = serve_destroy,
	.option = serve_option,
	.told = serve_told,
	.prepare = serve_prepare,
	.check = serve_check,
	.start = serve_start,
	.drain = serve_drain,
};

static bool is_client(int fd)
{
	struct stat in, other;

	return !fstat(STDIN_FILENO, &in) && !fstat(fd, &other) && S_ISSOCK(in.st_mode) && in.st_dev == other.st_dev && in.st_ino == other.st_ino;
}

/* inetd makes the client standard error as well: log lines must not go to it. */
static int keep_log_away(int argc, char **argv, char ***out)
{
	char **longer = calloc((size_t)argc + 2, sizeof *longer);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	static char syslog_option[] = "--syslog";
	bool given = false;

	if (!longer || null < 0 || dup2(null, STDERR_FILENO) < 0)
		return -1;
	close(null);
	for (int i = 0; i < argc; i++)
		given = given || !strcmp(argv[i], syslog_option) || !strncmp(argv[i], "--logfile", 9);
	longer[0] = argv[0];
	if (!given)
		longer[1] = syslog_option;
	memcpy(longer + (given ? 1 : 2), argv + 1, ((size_t)argc - 1) * sizeof *argv);
	*out = longer;
	return argc + !given;
}

int main(int argc, char **argv)
{
	char **longer = NULL;
	int status;

	if (argc > 0 && is_client(STDERR_FILENO)) {
		argc = keep_log_away(argc, argv, &longer);
		if (argc < 0)
			return EX_OSERR;
		argv = longer;
	}
	status = stage_main(&program, argc, argv);
	free(longer);
	return status;
}
