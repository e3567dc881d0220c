/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where clients come from: sockets bound here, sockets that a supervisor hands over, and a client on standard input.  All of it is done before the jail. */
#ifndef DEADDROP_SMTPD_OPEN_H
#define DEADDROP_SMTPD_OPEN_H

#include "config.h"
#include "descriptors.h"
#include "peer.h"

#define OPEN_MAX_DOORS 32

struct open_doors {
	int fds[OPEN_MAX_DOORS];	/* listening */
	int locks[OPEN_MAX_DOORS];	/* of UNIX sockets; -1 */
	size_t count;
	int in, out;			/* of a single client; -1 */
	struct peer peer;		/* that client */
};

void open_init(struct open_doors *doors);
void open_close(struct open_doors *doors);
/* 0, or a sysexits code with error. */
int open_configured(struct open_doors *doors, const struct config *config, struct str *error);
/* Which those of LISTEN_FDS are. */
void open_told(struct descriptors *fds);
/* LISTEN_FDS (systemd, or anybody who does as it does): listening sockets become doors, a connected one the client. */
int open_inherited(struct open_doors *doors, struct str *error);
/* Standard input and output: who is there is asked of the socket, else of TCPREMOTEIP and TCPREMOTEPORT, as tcpserver sets them for programs behind pipes. */
int open_standard(struct open_doors *doors, struct str *error);

#endif
