/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A note on a file that is appended to, for the time after a power cut: an extended attribute of it (user.deaddrop).  A file system may keep
 * a file's new length and not the bytes up to it; but what it keeps of attributes and lengths it keeps in order.  So the note is
 * there before the file grows, says then what it should hold, and goes when all is durable.  Where the file system has no attributes it does nothing.
 */
#ifndef DEADDROP_LOCAL_MBOX_NOTE_H
#define DEADDROP_LOCAL_MBOX_NOTE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct mbox_note {
	uint64_t base;			/* the file's length before */
	uint64_t end;			/* and after; 0: it is being written: to be said again every second or so */
	uint32_t crc;			/* CRC-32C of the bytes between */
};

/* Both: 0, also where there can be none, or -1 with errno: an earlier note is still there. */
int mbox_note_set(int fd, const struct mbox_note *note);
int mbox_note_remove(int fd);
/* By the file's new holder.  Where the host went down before all that the note tells of was durable, and nobody has written since, what was
 * added is cut off: it was never answered.  1: there is a note, so that the file has to be made durable before it is removed; 0: there is
 * none; -1 with errno. */
int mbox_note_recover(int fd);

/* When the host was started: wall time, as far as that is known. */
uint64_t mbox_note_started(void);
bool mbox_note_is_this_start(uint64_t started);

#endif
