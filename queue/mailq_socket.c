/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mailq_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define WAIT_SECONDS 15			/* for each read: send answers between other work */

static int connect_to(const char *path, struct str *error)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval wait = { .tv_sec = WAIT_SECONDS };
	int fd;

	if (strlen(path) >= sizeof address.sun_path) {
		str_printf(error, "%s: the path is too long", path);
		return -1;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && !setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) &&
	    !setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) && !connect(fd, (struct sockaddr *)&address, sizeof address))
		return fd;
	str_printf(error, "%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

static int send_all(int fd, struct span bytes, struct str *error)
{
	while (bytes.len) {
		ssize_t n = send(fd, bytes.data, bytes.len, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR) {
			str_printf(error, "asking deaddrop-send: %s", strerror(errno));
			return -1;
		}
		bytes = span_skip(bytes, n < 0 ? 0 : (size_t)n);
	}
	return 0;
}

int mailq_socket_send(int fd, char type, struct span value, struct str *error)
{
	struct str out = STR_INIT(2 * FRAME_MAX);
	int result = str_printf(&out, "%zu:%c", value.len + 1, type) || str_add_span(&out, value) || str_add_char(&out, ',') ? -1 : 0;

	if (result)
		str_add(error, "no memory");
	else
		result = send_all(fd, str_span(&out), error);
	str_free(&out);
	return result;
}

int mailq_socket_open(const char *path, struct str *error)
{
	int fd = connect_to(path, error);

	if (fd >= 0 && mailq_socket_send(fd, 'H', span_of("mailq 1"), error) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

int mailq_socket_read(int fd, struct str *in, struct str *error)
{
	ssize_t got = -1;

	if (!str_reserve(in, 65536)) {
		do
			got = recv(fd, in->data + in->len, 65536, 0);
		while (got < 0 && errno == EINTR);
	}
	if (got > 0) {
		in->len += (size_t)got;
		return 0;
	}
	str_printf(error, "the answer of deaddrop-send: %s", !got ? "it broke off" : errno == EAGAIN ? "it takes too long" : strerror(errno));
	return -1;
}

int mailq_socket_receive(int fd, struct str *in, struct frame *frame, struct str *error)
{
	for (;;) {
		size_t used;
		enum frame_result kind = frame_take(in->data, in->len, frame, &used);

		if (kind == FRAME_BAD) {
			str_add(error, "that is no deaddrop-send");
			return -1;
		}
		if (kind == FRAME_MORE) {
			if (mailq_socket_read(fd, in, error) < 0)
				return -1;
			continue;
		}
		if (frame->type != 'H')
			return (int)used;
		str_shift(in, used);
	}
}
