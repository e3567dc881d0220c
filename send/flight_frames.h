/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A job as frames: deaddrop-control(7), NAME.ctrl. */
#ifndef DEADDROP_FLIGHT_FRAMES_H
#define DEADDROP_FLIGHT_FRAMES_H

#include "flight.h"

/* Whether flight_frames_body will copy it into memory. */
bool flight_frames_in_memory(const struct source *source);
/* A read-only descriptor of the source's file for a deliverer; of a copy where the file holds other messages too.  -1 with errno. */
int flight_frames_body(struct send *s, const struct source *source);
/* Sends the job's frames; fd is of a large message, else -1, and is owned from here on.  0; -1: half of it may have been sent. */
int flight_frames_put(struct channel *c, const struct job *job, const struct source *source, int fd);

#endif
