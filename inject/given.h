/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The envelope that --envelope-fd brings, as qmail-queue takes it: "F" sender NUL, then "T" recipient NUL for each, then NUL.  Pure but for given_read. */
#ifndef DEADDROP_GIVEN_H
#define DEADDROP_GIVEN_H

#include "str.h"

#define GIVEN_MAX (8U * 1024 * 1024)

int given_read(struct str *text, int fd);	/* all of a descriptor.  0, or -1 with errno (EMSGSIZE over the string's limit) */
/* Takes sender and the list of recipients apart.  -1: not of that form, or not complete (a cut one must not be half a mail). */
int given_parse(struct span text, struct span *sender, struct span *recipients);
bool given_next(struct span *recipients, struct span *recipient);

#endif
