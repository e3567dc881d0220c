/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One message from a descriptor into a mailbox: deaddrop-local by hand, or as the delivery program (MDA) of another mail system. */
#ifndef DEADDROP_LOCAL_BYHAND_H
#define DEADDROP_LOCAL_BYHAND_H

#include "drop.h"

struct byhand {
	const struct drop_kind *kind;	/* NULL: the caller's own mailbox, below HOME */
	const char *path;		/* or a command */
	const char *sender;		/* NULL: nobody said */
	struct str recipients;		/* each with its NUL; may be empty */
	int fd;				/* the message, to its end */
	bool mboxo, sync_fs;
};

/* 0, or a sysexits code with error: 75 where it may be tried again, others where it may not. */
int byhand_run(const struct byhand *byhand, const char *host, struct str *error);

#endif
