/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who is at the other end: addresses as text and in networks.  Pure. */
#ifndef DEADDROP_SMTPD_PEER_H
#define DEADDROP_SMTPD_PEER_H

#include <sys/socket.h>

#include "str.h"

#define PEER_ADDRESS_MAX 64		/* bytes of an address as text, with its NUL */
#define PEER_NAME_MAX 256

struct peer {
	bool local;			/* a UNIX socket or no socket at all */
	unsigned char ip[16];		/* IPv4 as ::ffff:a.b.c.d */
	bool has_ip;
	unsigned port;
	char address[PEER_ADDRESS_MAX];	/* "192.0.2.1", "2001:db8::1", "local", "unknown" */
	char name[PEER_NAME_MAX];	/* confirmed by DNS both ways, or "" */
};

struct peer_net {			/* a network: the first bits of an ip */
	unsigned char ip[16];
	unsigned bits;
};

void peer_set(struct peer *peer, const struct sockaddr *address);	/* AF_INET, AF_INET6; anything else is local */
bool peer_is_address(const char *text);	/* of IPv4 or IPv6 */
/* An address and port as text, with or without "IPv6:"; 0, or -1 with nothing changed. */
int peer_set_text(struct peer *peer, struct span address, unsigned port);
void peer_set_unknown(struct peer *peer);		/* somebody behind a proxy that does not say who: nobody to trust */
bool peer_is_loopback(const struct peer *peer);			/* or local */
bool peer_same(const struct peer *a, const struct peer *b);	/* for limits: the same IPv4 address, the same /64 of IPv6 */
bool peer_has_address(const struct peer *peer, const struct sockaddr_storage *address);
socklen_t peer_sockaddr(const struct peer *peer, struct sockaddr_storage *out);	/* 0: it is local */

int peer_net_parse(const char *text, struct peer_net *net);	/* "192.0.2.0/24", "2001:db8::/32", an address alone; -1: it is none */
bool peer_net_has(const struct peer_net *net, const struct peer *peer);

#endif
