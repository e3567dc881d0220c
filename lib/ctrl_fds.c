/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Descriptors that travel with frames.  One goes with the sendmsg that carries its frame's first byte or an earlier one, so it is
 * there when its frame is; its entry counts until the frame's last byte was sent, so the peer never holds more than
 * CTRL_FDS_MAX of them for frames that it has not seen whole.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctrl_internal.h"

/* For the frame that was just put at the end of the output; there is room (ctrl_send_fd looks before) */
int ctrl_fds_add(struct ctrl *c, int fd)
{
	if (c->passing_count == CTRL_FDS_MAX) {
		errno = EAGAIN;
		return -1;
	}
	if (c->passing == NULL)
		c->passing = calloc(CTRL_FDS_MAX, sizeof(*c->passing));
	if (c->passing == NULL)
		return -1;
	c->passing[c->passing_count++] = (struct ctrl_passing){ fd, c->sent + (c->out.len - c->out_done) };
	return 0;
}

/* Fills the message's control part, which has the space.  How many were attached. */
size_t ctrl_fds_attach(struct ctrl *c, struct msghdr *message)
{
	struct cmsghdr *head;
	size_t n = 0;

	message->msg_controllen = CMSG_SPACE(sizeof(int) * CTRL_FDS_MAX);
	head = CMSG_FIRSTHDR(message);
	for (size_t i = 0; i < c->passing_count; i++) {
		if (c->passing[i].fd < 0)
			continue;
		memcpy(CMSG_DATA(head) + n * sizeof(int), &c->passing[i].fd, sizeof(int));
		n++;
	}
	if (n == 0) {
		message->msg_control = NULL;
		message->msg_controllen = 0;
		return 0;
	}
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = (socklen_t)CMSG_LEN(n * sizeof(int));	/* musl's is narrower than glibc's */
	message->msg_controllen = (socklen_t)CMSG_SPACE(n * sizeof(int));
	return n;
}

/* After bytes were sent: closes what went with them, forgets those whose frames are through */
void ctrl_fds_sent(struct ctrl *c, bool attached)
{
	size_t kept = 0;

	for (size_t i = 0; i < c->passing_count; i++) {
		struct ctrl_passing p = c->passing[i];

		if (attached && p.fd >= 0) {
			close(p.fd);
			p.fd = -1;
		}
		if (p.end > c->sent)
			c->passing[kept++] = p;
	}
	c->passing_count = kept;
}

static bool keep(struct ctrl *c, int fd)
{
	if (c->ops->refuse_fds || c->received_count == CTRL_FDS_MAX)
		return false;
	if (c->received == NULL)
		c->received = calloc(CTRL_FDS_MAX, sizeof(*c->received));
	if (c->received == NULL)
		return false;
	c->received[c->received_count++] = fd;
	return true;
}

/* Takes what came with a message.  NULL, or why the peer is to be dropped; no descriptor is leaked either way. */
const char *ctrl_fds_receive(struct ctrl *c, struct msghdr *message)
{
	const char *why = NULL;

	for (struct cmsghdr *head = CMSG_FIRSTHDR(message); head != NULL; head = CMSG_NXTHDR(message, head)) {
		size_t n = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(head) + i * sizeof(int), sizeof(int));
			if (keep(c, fd))
				continue;
			close(fd);
			why = c->ops->refuse_fds ? "unexpected descriptor" : "too many descriptors";
		}
	}
	/* also where our own table of descriptors is full: one is lost, so its frame means nothing */
	if (message->msg_flags & MSG_CTRUNC)
		why = "descriptors were lost";
	return why;
}

void ctrl_fds_close_outgoing(struct ctrl *c)
{
	for (size_t i = 0; i < c->passing_count; i++)
		if (c->passing[i].fd >= 0)
			close(c->passing[i].fd);
	free(c->passing);
	c->passing = NULL;
	c->passing_count = 0;
}

void ctrl_fds_close(struct ctrl *c)
{
	ctrl_fds_close_outgoing(c);
	for (size_t i = 0; i < c->received_count; i++)
		close(c->received[i]);
	free(c->received);
	c->received = NULL;
	c->received_count = 0;
}

int ctrl_take_fd(struct ctrl *c)
{
	int fd;

	if (c->received_count == 0) {
		errno = ENOENT;
		return -1;
	}
	fd = c->received[0];
	c->received_count--;
	memmove(c->received, c->received + 1, c->received_count * sizeof(*c->received));
	return fd;
}
