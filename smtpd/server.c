/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "server.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "session.h"

#define ACCEPTS 64			/* a turn and door */
#define REST (CLOCK_SECOND / 2)

/* ---- limits ---- */

bool server_has_room_for(const struct server *server, const struct peer *peer)
{
	unsigned count = 0;

	/* all of the host's programs are one address */
	if (peer_is_loopback(peer))
		return true;
	for (const struct session *s = server->first; s; s = session_next(s))
		count += peer_same(session_peer(s), peer);
	return count <= server->config->per_client;
}

static void refuse(struct server *server, int fd, const struct peer *peer)
{
	static const char text[] = "421 4.3.2 Too many connections; try again later\r\n";
	struct log_line line;

	(void)send(fd, text, sizeof text - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	log_begin(&line, server->log, "reject");
	log_word(&line, "client", peer->address);
	if (peer->has_ip)
		log_num(&line, "port", peer->port);
	log_num(&line, "status", 421);
	log_text(&line, span_of("Too many connections"));
	log_end(&line);
	close(fd);
}

/* ---- doors ---- */

static void welcome(struct server *server, struct server_door *door, int fd, const struct sockaddr_storage *address)
{
	const int yes = 1;
	struct peer peer;

	peer_set(&peer, (const struct sockaddr *)address);
	if (server->count >= server->config->connections) {
		refuse(server, fd, &peer);
		return;
	}
	/* replies are short and waited for */
	if (!door->local)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
	if (session_new(server, fd, fd, &peer, NULL))
		log_errno(server->log, "accept from %s", peer.address);
}

static void set_doors(struct server *server, unsigned events)
{
	for (size_t i = 0; i < server->door_count; i++)
		if (server->doors[i].watch)
			(void)loop_change(server->doors[i].watch, events);
}

static void rested(void *arg)
{
	set_doors(arg, LOOP_READ);
}

static void on_connection(void *arg, unsigned events)
{
	struct server_door *door = arg;
	struct server *server = door->server;

	(void)events;
	for (int i = 0; i < ACCEPTS && !server->draining; i++) {
		struct sockaddr_storage address = { .ss_family = AF_UNSPEC };
		socklen_t len = sizeof address;
		int fd = accept4(door->fd, (struct sockaddr *)&address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			welcome(server, door, fd, &address);
			continue;
		}
		if (errno == ECONNABORTED || errno == EINTR || errno == EPROTO)
			continue;
		if (errno != EAGAIN && errno != EWOULDBLOCK) {
			/* no descriptors: one that is level-triggered would spin */
			log_errno(server->log, "accept");
			set_doors(server, 0);
			(void)loop_timer_set(server->loop, &server->rest, clock_boot() + REST);
		}
		break;
	}
}

int server_listen(struct server *server, int fd)
{
	struct server_door *door = &server->doors[server->door_count];
	struct sockaddr_storage address = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof address;

	if (server->door_count == SERVER_DOORS) {
		errno = E2BIG;
		return -1;
	}
	if (getsockname(fd, (struct sockaddr *)&address, &len))
		return -1;
	if (!server->door_count)
		loop_timer_init(&server->rest, rested, server);
	*door = (struct server_door){ .server = server, .fd = fd, .local = address.ss_family == AF_UNIX };
	if (loop_watch(server->loop, fd, LOOP_READ, on_connection, door, &door->watch))
		return -1;
	server->door_count++;
	return 0;
}

static void close_doors(struct server *server)
{
	for (size_t i = 0; i < server->door_count; i++) {
		loop_unwatch(server->doors[i].watch);
		server->doors[i].watch = NULL;
	}
	if (server->door_count)
		loop_timer_clear(server->loop, &server->rest);
}

/* ---- the end ---- */

void server_drain(struct server *server)
{
	struct session *next;

	server->draining = true;
	close_doors(server);
	for (struct session *s = server->first; s; s = next) {
		next = session_next(s);
		session_drain(s);
	}
}

void server_end(struct server *server)
{
	server->empty = NULL;
	close_doors(server);
	while (server->first)
		session_free(server->first);
}
