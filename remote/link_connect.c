/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From a relay's name to a connected descriptor. */
#include "link_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

static bool is_local(const struct sockaddr_storage *address)
{
	const struct sockaddr_in *four = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;

	if (address->ss_family == AF_INET)
		return ntohl(four->sin_addr.s_addr) >> 24 == 127;
	return address->ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
}

static void on_connect(void *arg, int fd, const struct sockaddr_storage *address, const char *text)
{
	struct link *link = arg;
	struct str error = STR_INIT(SESSION_TEXT_MAX);

	link->attempt = NULL;
	if (fd >= 0) {
		link->local = is_local(address);
		link_connected(link, fd);
		return;
	}
	(void)str_printf(&error, "connecting to %s: %s", link->relay->text, text);
	link_lost(link, SESSION_CONNECT, error.data);
	str_free(&error);
}

static void dial(struct link *link, const struct sockaddr_storage *addresses, size_t count)
{
	link->attempt = stream_connect_new(link->world->loop, addresses, count, on_connect, link);
	if (!link->attempt)
		link_lost(link, SESSION_CONNECT, strerror(errno));
}

static void got_names(void *arg, const struct sockaddr_storage *addresses, size_t count, int error)
{
	struct link *link = arg;
	struct str text = STR_INIT(SESSION_TEXT_MAX);

	link->asked--;
	if (link->dead) {
		link_settle(link);
		return;
	}
	if (!error && count) {
		dial(link, addresses, count);
		return;
	}
	(void)str_printf(&text, "the name %s is not to be resolved: %s", link->relay->host, error ? gai_strerror(error) : "it has no address");
	link_lost(link, SESSION_CONNECT, text.data);
	str_free(&text);
}

static void got_socket(void *arg, int fd, int error)
{
	struct link *link = arg;
	struct str text = STR_INIT(SESSION_TEXT_MAX);

	link->asked--;
	if (link->dead) {
		if (fd >= 0)
			close(fd);
		link_settle(link);
		return;
	}
	link->local = true;
	if (fd >= 0) {
		link_connected(link, fd);
		return;
	}
	(void)str_printf(&text, "connecting to %s: %s", link->relay->path, strerror(error));
	link_lost(link, SESSION_CONNECT, text.data);
	str_free(&text);
}

static bool literal_address(const struct relay *relay, struct sockaddr_storage *address)
{
	struct sockaddr_in *four = (struct sockaddr_in *)address;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)address;

	*address = (struct sockaddr_storage){ 0 };
	if (inet_pton(AF_INET, relay->host, &four->sin_addr) == 1) {
		four->sin_family = AF_INET;
		four->sin_port = htons((uint16_t)relay->port);
		return true;
	}
	if (inet_pton(AF_INET6, relay->host, &six->sin6_addr) != 1)
		return false;
	six->sin6_family = AF_INET6;
	six->sin6_port = htons((uint16_t)relay->port);
	return true;
}

int link_begin(struct link *link)
{
	struct sockaddr_storage address;
	char port[16];
	struct str text = STR_INIT(sizeof port);
	int result;

	if (link->relay->path)
		return keeper_connect(link->world->keeper, link->relay->socket, got_socket, link) < 0 ? -1 : (int)++link->asked;
	if (literal_address(link->relay, &address)) {
		link->attempt = stream_connect_new(link->world->loop, &address, 1, on_connect, link);
		return link->attempt ? 0 : -1;
	}
	(void)str_printf(&text, "%u", link->relay->port);
	result = keeper_resolve(link->world->keeper, link->relay->host, text.data, got_names, link);
	str_free(&text);
	return result < 0 ? -1 : (int)++link->asked;
}
