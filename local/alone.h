/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One job in a process of its own: by hand, and as the recipient. */
#ifndef DEADDROP_LOCAL_ALONE_H
#define DEADDROP_LOCAL_ALONE_H

#include "drop.h"

/* Takes the job over and delivers it; its target is in drops.  outcome: the gravest that any recipient got, later before never, for it
 * keeps the mail where it is.  The process's umask is 0
 * afterwards: files get the mode that the drop says. */
void alone_run(struct drop_table *drops, struct deliver_job *job, const char *host, bool sync_fs, struct outcome *outcome);

#endif
