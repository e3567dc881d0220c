/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A session as the files of the TLS module see it. */
#ifndef DEADDROP_TLS_SESSION_H
#define DEADDROP_TLS_SESSION_H

#include "tls_internal.h"

struct tls {
	SSL *ssl;
	struct tls_pins pins;		/* as they were when it began; its context may rest, not go */
	bool server;
	bool chain;			/* chain and name are verified in the handshake */
	bool done;			/* handshake and verification */
	bool verified;
	bool failed;
	struct str host;		/* as errors call the peer; empty for a server */
	struct str reason;		/* why a certificate was refused */
	struct str error;
};

#endif
