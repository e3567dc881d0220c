/* SPDX-License-Identifier: GPL-3.0-or-later */
/* deaddrop-queue: takes messages in and commits them to the spool.  Options and hooks; see deaddrop-queue(8). */
#include "serve.h"

static const struct stage_option options[] = {
	{ "spool", 0, "DIR", "the spool, which holds journal/ (default: the chroot, or .)" },
	{ "name", 0, "MAILNAME", "our name in Received fields (default: /etc/mailname, or the host's)" },
	{ "limit-size", 0, "BYTES", "largest message (default: 50M)" },
	{ "limit-recipients", 0, "N", "most recipients of a message (default: 1000)" },
	{ "limit-connections", 0, "N", "most connections; a quarter for each user but root (default: 1000)" },
	{ "min-free", 0, "BYTES", "room that is left in the file system; half of it for root (default: 16M)" },
	{ "buffer", 0, "BYTES", "memory for messages under way (default: 32M)" },
	{ "idle-close", 0, "MS", "quiet moment after which a journal file is finished (default: 50)" },
	{ "key-hold", 0, "SECONDS", "how long submission keys are remembered (default: 120)" },
	{ NULL, 0, NULL, NULL },
};

static const struct stage_program program = {
	.name = "queue",
	.synopsis = "  deaddrop-queue --in SOCKET [--in-trust SOCKET] [--out SOCKET] [--spool DIR] [OPTION...]\n",
	.summary = "Takes messages in from local programs and answers when they are on stable storage.",
	.examples = "  By hand, in a directory with an empty directory journal in it:\n"
	    "    deaddrop-queue --in queue.ctrl --out send.ctrl --once\n"
	    "  Confined, as the service does:\n"
	    "    deaddrop-queue --chroot /var/spool/deaddrop/queue --user deaddrop-queue --in-mode 0666 \\\n"
	    "      --in /var/spool/deaddrop/public/queue.ctrl --out send.ctrl\n",
	.options = options,
	.needs = SANDBOX_FILES | SANDBOX_UNIX | SANDBOX_THREADS,
	.has_in = true,
	.has_out = true,
	.has_once = true,
	.buffer_cap = 16 * 1024 * 1024,
	.buffer_share = 4 * 1024 * 1024,
	.create = serve_create,
	.destroy = serve_destroy,
	.option = serve_option,
	.prepare = serve_prepare,
	.start = serve_start,
	.drain = serve_drain,
};

int main(int argc, char **argv)
{
	return stage_main(&program, argc, argv);
}
