/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mailq's side of admin.ctrl: one connection, blocking, with time limits. */
#ifndef DEADDROP_QUEUE_MAILQ_SOCKET_H
#define DEADDROP_QUEUE_MAILQ_SOCKET_H

#include "frame.h"

int mailq_socket_open(const char *path, struct str *error);	/* connected and greeted; -1 with error */
int mailq_socket_send(int fd, char type, struct span value, struct str *error);	/* 0 or -1 */
int mailq_socket_read(int fd, struct str *in, struct str *error);	/* appends what there is.  0 or -1 */
/* The frame at the head of in, reading as much as it needs; send's greeting is passed over.  Its bytes in in, to be shifted off by the caller; or -1. */
int mailq_socket_receive(int fd, struct str *in, struct frame *frame, struct str *error);

#endif
