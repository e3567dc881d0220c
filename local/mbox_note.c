/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mbox_note.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "clock.h"
#include "crc32c.h"
#include "span.h"

#define NAME "user.deaddrop"
#define NOTE_MAX 112		/* bytes */
#define SAME_START CLOCK_SECOND	/* clocks are adjusted */
#define PIECE (256U * 1024)
#define NOTED_AGAIN (5 * CLOCK_SECOND)	/* while it is being written */

struct noted {
	struct mbox_note note;
	uint64_t started, at;		/* the host, and wall time */
};

uint64_t mbox_note_started(void)
{
	return clock_wall() - clock_boot();
}

bool mbox_note_is_this_start(uint64_t started)
{
	uint64_t now = mbox_note_started();

	return started <= now + SAME_START && now <= started + SAME_START;
}

int mbox_note_set(int fd, const struct mbox_note *note)
{
	char text[NOTE_MAX];
	int length = snprintf(text, sizeof text, "%" PRIu64 " %" PRIu64 " %" PRIu32 " %" PRIu64 " %" PRIu64, note->base, note->end, note->crc,
	    mbox_note_started(), clock_wall());

	if (length > 0 && (size_t)length < sizeof text && !fsetxattr(fd, NAME, text, (size_t)length, 0))
		return 0;
	return mbox_note_remove(fd);
}

int mbox_note_remove(int fd)
{
	return fremovexattr(fd, NAME) < 0 && errno != ENODATA && errno != ENOTSUP && errno != EPERM ? -1 : 0;
}

static bool read_note(int fd, struct noted *noted)
{
	char text[NOTE_MAX];
	ssize_t length = fgetxattr(fd, NAME, text, sizeof text);
	struct span rest = { text, length > 0 ? (size_t)length : 0 }, word;
	uint64_t numbers[5];

	for (int i = 0; i < 5; i++)
		if (!span_word(&rest, ' ', &word) || span_decimal(word, UINT64_MAX, &numbers[i]) < 0)
			return false;
	noted->note = (struct mbox_note){ .base = numbers[0], .end = numbers[1], .crc = (uint32_t)numbers[2] };
	noted->started = numbers[3];
	noted->at = numbers[4];
	return true;
}

/* 1: the file holds what the note says, 0: it does not, -1.  What did not get to the disk is missing, or NULs: other bytes than ours are what
 * a reader wrote over them. */
static int is_whole(int fd, const struct mbox_note *note)
{
	char *piece = malloc(PIECE);
	uint64_t at = note->base;
	uint32_t crc = 0;
	ssize_t got = 1;
	bool nul = false;

	while (piece && got && at < note->end) {
		size_t want = note->end - at < PIECE ? (size_t)(note->end - at) : PIECE;

		got = pread(fd, piece, want, (off_t)at);
		if (got < 0 && errno != EINTR)
			break;
		if (got <= 0)
			continue;
		crc = crc32c(crc, piece, (size_t)got);
		nul |= memchr(piece, 0, (size_t)got) != NULL;
		at += (uint64_t)got;
	}
	free(piece);
	if (!piece || got < 0)
		return -1;
	return at == note->end && (crc == note->crc || !nul);
}

/*
 * Else the process alone ended, or somebody has written to the file as we found it, who heeds no locks or came before us: in this start of
 * the host or in one between.
 */
static bool is_after_a_cut(const struct noted *noted, const struct stat *info)
{
	uint64_t size = (uint64_t)info->st_size, start = mbox_note_started(), last = noted->at + (noted->note.end ? 0 : NOTED_AGAIN);
	uint64_t written = (uint64_t)info->st_mtim.tv_sec * CLOCK_SECOND + (uint64_t)info->st_mtim.tv_nsec / 1000;

	return !mbox_note_is_this_start(noted->started) && size > noted->note.base && (!noted->note.end || size <= noted->note.end) &&
	    written < start && written <= last;
}

int mbox_note_recover(int fd)
{
	struct noted noted;
	struct stat info;
	int whole;

	if (!read_note(fd, &noted))
		return 0;
	if (fstat(fd, &info) < 0)
		return -1;
	if (!is_after_a_cut(&noted, &info))
		return 1;
	whole = noted.note.end ? is_whole(fd, &noted.note) : 0;
	if (whole < 0 || (!whole && ftruncate(fd, (off_t)noted.note.base) < 0))
		return -1;
	return 1;
}
