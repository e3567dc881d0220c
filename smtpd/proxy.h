/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The PROXY protocol, versions 1 (text) and 2 (binary): the line that a proxy puts before its client's bytes.  Pure. */
#ifndef DEADDROP_SMTPD_PROXY_H
#define DEADDROP_SMTPD_PROXY_H

#include "peer.h"

#define PROXY_HEADER_MAX 2048U		/* bytes: version 1 has 107 at most, version 2 may carry more than addresses */

/*
 * -1: this is none; 0: more bytes are needed; otherwise the header's length.  peer becomes the client, which may be unknown; it stays as it is where the proxy speaks for
 * itself (LOCAL).
 */
int proxy_take(struct span data, struct peer *peer);

#endif
