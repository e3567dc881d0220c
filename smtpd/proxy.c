/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#define LINE_MAX_1 107U
#define HEAD_2 16U

static const char signature[12] = { '\r', '\n', '\r', '\n', '\0', '\r', '\n', 'Q', 'U', 'I', 'T', '\n' };

/* "TCP4 192.0.2.1 198.51.100.1 56324 25" */
static int take_words(struct span line, struct peer *peer)
{
	struct span kind, from, to, from_port;
	uint64_t port;

	if (!span_word(&line, ' ', &kind))
		return -1;
	if (span_is(kind, "UNKNOWN")) {
		peer_set_unknown(peer);
		return 0;
	}
	if (!span_is(kind, "TCP4") && !span_is(kind, "TCP6"))
		return -1;
	if (!span_word(&line, ' ', &from) || !span_word(&line, ' ', &to) || !span_word(&line, ' ', &from_port) || !line.len)
		return -1;
	if (span_decimal(from_port, 65535, &port) || (memchr(from.data, ':', from.len) != NULL) != span_is(kind, "TCP6"))
		return -1;
	return peer_set_text(peer, from, (unsigned)port);
}

static int take_1(struct span data, struct peer *peer)
{
	size_t most = data.len < LINE_MAX_1 ? data.len : LINE_MAX_1;
	const char *newline = memchr(data.data, '\n', most);
	size_t n;

	if (!newline)
		return data.len < LINE_MAX_1 ? 0 : -1;
	n = (size_t)(newline - data.data);
	if (n < 6 || data.data[n - 1] != '\r' || take_words((struct span){ data.data + 6, n - 7 }, peer))
		return -1;
	return (int)n + 1;
}

static void set_2(const unsigned char *bytes, bool six, struct peer *peer)
{
	struct sockaddr_in in4 = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

	if (six) {
		memcpy(&in6.sin6_addr, bytes, 16);
		memcpy(&in6.sin6_port, bytes + 32, 2);
		peer_set(peer, (const struct sockaddr *)&in6);
	} else {
		memcpy(&in4.sin_addr, bytes, 4);
		memcpy(&in4.sin_port, bytes + 8, 2);
		peer_set(peer, (const struct sockaddr *)&in4);
	}
}

static int take_2(struct span data, struct peer *peer)
{
	const unsigned char *bytes = (const unsigned char *)data.data;
	size_t len;

	if (data.len < HEAD_2)
		return 0;
	len = (size_t)bytes[14] << 8 | bytes[15];
	if (bytes[12] >> 4 != 2 || HEAD_2 + len > PROXY_HEADER_MAX)
		return -1;
	if (data.len < HEAD_2 + len)
		return 0;
	if ((bytes[12] & 15) == 1) {
		bool six = bytes[13] == 0x21;

		if ((!six && bytes[13] != 0x11) || len < (six ? 36 : 12))
			return -1;
		set_2(bytes + HEAD_2, six, peer);
	} else if (bytes[12] & 15) {
		return -1;
	}
	return (int)(HEAD_2 + len);
}

static bool begins(struct span data, const char *with, size_t len)
{
	return !memcmp(data.data, with, data.len < len ? data.len : len);
}

int proxy_take(struct span data, struct peer *peer)
{
	if (!data.len)
		return 0;
	if (begins(data, signature, sizeof signature))
		return data.len < sizeof signature ? 0 : take_2(data, peer);
	if (begins(data, "PROXY ", 6))
		return data.len < 6 ? 0 : take_1(data, peer);
	return -1;
}
