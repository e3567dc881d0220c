/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who runs this: login and full name by the real uid, from the user database alone (no environment variable is believed). */
#ifndef DEADDROP_PERSON_H
#define DEADDROP_PERSON_H

#include "str.h"

/* Appends the login (uidN for a uid without an entry, so that mail from it is not lost) and the full name, which may be empty.  0 or -1. */
int person_find(struct str *login, struct str *full_name);
/* Appends the login and the home directory, which is empty for a uid without an entry.  0 or -1. */
int person_home(struct str *login, struct str *home);
/* Appends the full name of a gecos field: up to its first comma, "&" stands for the login with a capital. */
int person_full_name(struct str *out, struct span gecos, struct span login);

#endif
