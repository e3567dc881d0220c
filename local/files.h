/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The files kind of drop: a directory with a file for each message, called as in a Maildir, for programs that take them from there. */
#ifndef DEADDROP_LOCAL_FILES_H
#define DEADDROP_LOCAL_FILES_H

#include "drop.h"

extern const struct drop_kind files_kind;

#endif
