/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A password or token, fetched through the keeper at each login: from a file, or from what a command prints. */
#ifndef DEADDROP_REMOTE_SECRET_H
#define DEADDROP_REMOTE_SECRET_H

#include "keeper.h"
#include "loop.h"

struct secret;

/* text: its first line; NULL with error.  Called once, from the loop; the text is wiped when it returns, and the object is gone. */
typedef void secret_fn(void *arg, const struct str *text, const char *error);

/* what: the file or command, for errors; kept.  NULL with errno: fn is not called. */
struct secret *secret_fetch(struct loop *loop, struct keeper *keeper, int index, bool command, const char *what, secret_fn *fn, void *arg);
void secret_cancel(struct secret *secret);	/* fn is not called; a command is ended.  NULL is allowed */

#endif
