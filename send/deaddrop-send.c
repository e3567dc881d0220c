/* SPDX-License-Identifier: GPL-3.0-or-later */
/* deaddrop-send: reads the spool, hands messages to deliverers, notes what became of them.  Options and hooks; see deaddrop-send(8). */
#include "send.h"
#include "settings.h"

static const struct stage_program program = {
	.name = "send",
	.synopsis = "  deaddrop-send [--in SOCKET] [--out NAME.ctrl] [--spool DIR] [--config FILE] [OPTION...]\n",
	.summary = "Hands the spool's messages to deliverers, and tries again what has to wait.",
	.examples = "  By hand, in the directory that deaddrop-queue --once worked in, with deaddrop-local listening:\n"
	    "    deaddrop-send --once --out local.ctrl\n"
	    "  Confined, as the service does:\n"
	    "    deaddrop-send --chroot /var/spool/deaddrop/queue --user deaddrop-send --config /etc/deaddrop/send.conf \\\n"
	    "      --in /var/spool/deaddrop/queue/send.ctrl --in-mode 0666 --in /var/spool/deaddrop/public/admin.ctrl --out local.ctrl\n",
	.options = settings_options,
	.needs = SANDBOX_FILES | SANDBOX_UNIX,
	.has_in = true,
	.has_out = true,
	.has_config = true,
	.has_once = true,
	.buffer_cap = 64 * 1024 * 1024,
	.buffer_share = 8 * 1024 * 1024,
	.create = send_create,
	.destroy = send_destroy,
	.option = settings_option,
	.operand = settings_operand,
	.prepare = settings_prepare,
	.check = settings_check,
	.start = send_start,
	.drain = send_drain,
	.rest = send_rest,
};

int
main(int argc, char **argv)
{
	return stage_main(&program, argc, argv);
}
