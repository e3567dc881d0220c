/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static const unsigned char mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static bool is_4(const unsigned char ip[static 16])
{
	return !memcmp(ip, mapped, sizeof mapped);
}

static void set_ip(struct peer *peer, const unsigned char ip[static 16], unsigned port)
{
	memcpy(peer->ip, ip, 16);
	peer->has_ip = true;
	peer->local = false;
	peer->port = port;
	if (is_4(ip))
		(void)inet_ntop(AF_INET, ip + 12, peer->address, sizeof peer->address);
	else
		(void)inet_ntop(AF_INET6, ip, peer->address, sizeof peer->address);
}

static void map_4(unsigned char ip[static 16], const void *address)
{
	memcpy(ip, mapped, sizeof mapped);
	memcpy(ip + 12, address, 4);
}

/* False: no IP address. */
static bool ip_of(const struct sockaddr *address, unsigned char ip[static 16], unsigned *port)
{
	struct sockaddr_in in4;
	struct sockaddr_in6 in6;

	if (address->sa_family == AF_INET) {
		memcpy(&in4, address, sizeof in4);
		map_4(ip, &in4.sin_addr);
		*port = ntohs(in4.sin_port);
		return true;
	}
	if (address->sa_family != AF_INET6)
		return false;
	memcpy(&in6, address, sizeof in6);
	memcpy(ip, &in6.sin6_addr, 16);
	*port = ntohs(in6.sin6_port);
	return true;
}

void peer_set(struct peer *peer, const struct sockaddr *address)
{
	unsigned char ip[16];
	unsigned port;

	*peer = (struct peer){ .local = true };
	if (ip_of(address, ip, &port))
		set_ip(peer, ip, port);
	else
		(void)snprintf(peer->address, sizeof peer->address, "local");
}

void peer_set_unknown(struct peer *peer)
{
	*peer = (struct peer){ .local = false };
	(void)snprintf(peer->address, sizeof peer->address, "unknown");
}

static int parse(const char *text, unsigned char ip[static 16], unsigned *bits)
{
	unsigned char ip4[4];

	if (inet_pton(AF_INET6, text, ip) == 1) {
		*bits = 128;
		return 0;
	}
	if (inet_pton(AF_INET, text, ip4) != 1)
		return -1;
	map_4(ip, ip4);
	*bits = 32;
	return 0;
}

bool peer_is_address(const char *text)
{
	unsigned char ip[16];
	unsigned bits;

	return !parse(text, ip, &bits);
}

int peer_set_text(struct peer *peer, struct span address, unsigned port)
{
	char text[PEER_ADDRESS_MAX];
	unsigned char ip[16];
	unsigned bits;

	if (address.len > 5 && span_is_nocase((struct span){ address.data, 5 }, "IPv6:"))
		address = span_skip(address, 5);
	if (!address.len || address.len >= sizeof text || memchr(address.data, 0, address.len))
		return -1;
	memcpy(text, address.data, address.len);
	text[address.len] = '\0';
	if (parse(text, ip, &bits))
		return -1;
	set_ip(peer, ip, port);
	return 0;
}

bool peer_is_loopback(const struct peer *peer)
{
	static const unsigned char one[16] = { [15] = 1 };

	if (!peer->has_ip)
		return peer->local;
	return is_4(peer->ip) ? peer->ip[12] == 127 : !memcmp(peer->ip, one, 16);
}

bool peer_same(const struct peer *a, const struct peer *b)
{
	if (!a->has_ip || !b->has_ip)
		return a->has_ip == b->has_ip;
	/* a host with IPv6 has a whole /64 to choose from */
	return is_4(a->ip) || is_4(b->ip) ? !memcmp(a->ip, b->ip, 16) : !memcmp(a->ip, b->ip, 8);
}

bool peer_has_address(const struct peer *peer, const struct sockaddr_storage *address)
{
	unsigned char ip[16];
	unsigned port;

	return peer->has_ip && ip_of((const struct sockaddr *)address, ip, &port) && !memcmp(ip, peer->ip, 16);
}

socklen_t peer_sockaddr(const struct peer *peer, struct sockaddr_storage *out)
{
	struct sockaddr_in in4 = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

	memset(out, 0, sizeof *out);
	if (!peer->has_ip)
		return 0;
	if (is_4(peer->ip)) {
		memcpy(&in4.sin_addr, peer->ip + 12, 4);
		memcpy(out, &in4, sizeof in4);
		return sizeof in4;
	}
	memcpy(&in6.sin6_addr, peer->ip, 16);
	memcpy(out, &in6, sizeof in6);
	return sizeof in6;
}

int peer_net_parse(const char *text, struct peer_net *net)
{
	char address[PEER_ADDRESS_MAX];
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	uint64_t given;
	unsigned most;

	if (len >= sizeof address)
		return -1;
	memcpy(address, text, len);
	address[len] = '\0';
	if (parse(address, net->ip, &most))
		return -1;
	given = most;
	if (slash && span_decimal(span_of(slash + 1), most, &given))
		return -1;
	net->bits = (unsigned)given + (128 - most);
	return 0;
}

bool peer_net_has(const struct peer_net *net, const struct peer *peer)
{
	unsigned whole = net->bits / 8, rest = net->bits % 8;
	unsigned char mask = (unsigned char)(0xff << (8 - rest));

	if (!peer->has_ip || memcmp(net->ip, peer->ip, whole))
		return false;
	return !rest || !((net->ip[whole] ^ peer->ip[whole]) & mask);
}
