/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The options -B, -R, -V and -N as attributes of an envelope (RFC 3461, RFC 6152).  Values that mean nothing are passed over: true where one was. */
#ifndef DEADDROP_ATTRIBUTES_H
#define DEADDROP_ATTRIBUTES_H

#include "envelope.h"
#include "options.h"

#define ATTRIBUTES_NOTIFY_MAX 32

/* body, ret and envid.  0, or -1 with errno; *passed_over names an option's letter, or is 0. */
int attributes_message(struct envelope *envelope, const struct options *options, char *passed_over);
/* "NEVER", or those of SUCCESS,FAILURE,DELAY that text holds; "" where it means nothing. */
void attributes_notify(const char *text, char notify[static ATTRIBUTES_NOTIFY_MAX]);

#endif
