/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "keeper_internal.h"

/* The length must be what the answer announces, in one of the two ways. */
static bool is_whole(const struct keeper_received *received, size_t len)
{
	size_t rest = len - sizeof received->answer, count = received->answer.count;

	return count == 0 ? rest == 0 :
	    (count <= KEEPER_ADDRESSES_MAX && rest == count * sizeof received->is.addresses[0]) || (count <= KEEPER_NAME_MAX && rest == count);
}

static void take_fds(struct msghdr *header, struct keeper_received *received)
{
	size_t taken = 0;

	for (struct cmsghdr *at = CMSG_FIRSTHDR(header); at != NULL; at = CMSG_NXTHDR(header, at)) {
		if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; CMSG_LEN((i + 1) * sizeof (int)) <= at->cmsg_len && taken < KEEPER_FDS_MAX; i++)
			memcpy(&received->fds[taken++], CMSG_DATA(at) + i * sizeof (int), sizeof (int));
	}
}

int keeper_receive(int fd, struct keeper_received *received)
{
	union { struct cmsghdr align; char bytes[CMSG_SPACE(KEEPER_FDS_MAX * sizeof (int))]; } control = { .bytes = { 0 } };
	struct iovec parts[2] = { { &received->answer, sizeof received->answer }, { &received->is, sizeof received->is } };
	struct msghdr header = { .msg_iov = parts, .msg_iovlen = 2, .msg_control = &control, .msg_controllen = sizeof control };
	ssize_t n = recvmsg(fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	for (size_t i = 0; i < KEEPER_FDS_MAX; i++)
		received->fds[i] = -1;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	take_fds(&header, received);
	return (size_t)n >= sizeof received->answer && (header.msg_flags & MSG_TRUNC) == 0 && is_whole(received, (size_t)n) ? 1 : -1;
}
